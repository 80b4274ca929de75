//! `NdkQueryExtension`: what NDK itself does not have.

use crate::abi::{ExtensionInterface, Guid, NtStatus, Version};
use crate::border::{Call, Out, told};
use crate::object::{AnyHandle, Kind};

const CALL: Call = Call("NdkQueryExtension");

/// `NDK_FN_QUERY_EXTENSION_INTERFACE` of an object that has none (ADP-5).
pub(crate) extern "C" fn query<K: Kind>(
    object: AnyHandle,
    mut id: Out<Guid>,
    _version: Version,
    mut interface: Out<ExtensionInterface>,
) -> NtStatus {
    told((|| {
        let object = object.of::<K>();
        let _object = object.enter(CALL.argument(1, "pNdkObject"))?;
        id.required(CALL.argument(2, "ExtensionInterfaceID"))?;
        interface.required(CALL.argument(4, "pExtensionInterface"))?;
        Err(CALL.unsupported("this object has no extension interface of that id and version"))
    })())
}
