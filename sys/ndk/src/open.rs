//! Opening and closing an adapter, which the kernel gives elsewhere, and the text of the last failure.

use crate::abi::{NtStatus, Version};
use crate::border::{Call, Out, Refused, Text, Wrong, given, inside_callback, last_error, told};
use crate::object::{Object, Shared};
use qpair::ndk::{Adapter, Faults, NdkVersion, Status};
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};

/// The open adapters by the address that C has.
///
/// So a pointer that is not one of them is told, even after its adapter has been freed.
static OPEN: Mutex<BTreeMap<usize, Arc<Object<Adapter>>>> = Mutex::new(BTreeMap::new());

/// Opens the device of a name; the header has the documentation.
///
/// The adapter reports the highest minor version of the major that is asked for (ADP-2, ADP-3).
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn NdkOpenAdapter(device: Text, version: Version, mut adapter: Out<*mut c_void>) -> NtStatus {
    const CALL: Call = Call("NdkOpenAdapter");
    told((|| {
        let mut out = adapter.required(CALL.argument(3, "adapter"))?;
        out.put(open(device.read(CALL.argument(1, "device"))?, version, None)?);
        Ok(NtStatus::SUCCESS)
    })())
}

/// The same for a program that tests its error paths; `qpair_ndk_ext.h` has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn NdkOpenAdapterWithFaults(
    device: Text,
    version: Version,
    seed: u64,
    mut adapter: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkOpenAdapterWithFaults");
    told((|| {
        let mut out = adapter.required(CALL.argument(4, "adapter"))?;
        let name = device.read(CALL.argument(1, "device"))?;
        out.put(open(name, version, Some(Faults::new(seed)))?);
        Ok(NtStatus::SUCCESS)
    })())
}

fn open(name: &str, version: Version, faults: Option<Faults>) -> Result<*mut c_void, Refused> {
    let version = NdkVersion { major: version.major, minor: version.minor };
    let mut options = Adapter::options(name).version(version);
    if let Some(faults) = &faults {
        options = options.faults(faults);
    }
    let handle = options.open()?;
    let NdkVersion { major, minor } = handle.info().version;
    let object = Object::new(&Shared::new(Version { major, minor }, faults), handle);
    let pointer = object.as_c();
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(pointer.addr(), object);
    Ok(pointer)
}

/// Closes the adapter and frees its objects; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn NdkCloseAdapter(adapter: *mut c_void) {
    given(close(adapter.addr()));
}

fn close(adapter: usize) -> Result<(), Refused> {
    const CALL: Call = Call("NdkCloseAdapter");
    if inside_callback() {
        let hint = "it would wait for the callback that it is called in; close it on another thread";
        return Err(Refused::Call(CALL, Status::INVALID_DEVICE_REQUEST, hint));
    }
    let object = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&adapter);
    let Some(object) = object else {
        let wrong = if adapter == 0 { Wrong::Null } else { Wrong::NotAnObject };
        return Err(CALL.argument(1, "adapter").is(wrong));
    };
    let claimed = object.claim();
    debug_assert!(claimed, "who takes an adapter out of the table is alone with it");
    let handle = loop {
        match object.take_if_empty() {
            Some(handle) => break handle,
            // Another thread is in the last instructions of a call on the adapter.
            None => std::thread::yield_now(),
        }
    };
    // Were it refused, callbacks could still run, and its objects would stay allocated for ever.
    handle.close()?;
    object.shared().free();
    Ok(())
}

/// Why the last call of this thread failed; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn NdkLastError() -> *const c_char {
    last_error()
}
