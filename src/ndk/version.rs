//! Versions of the interface, and the header that every object begins with.
//!
//! An adapter instance speaks one version; what is created on it reports that one. Not here: the layout of a
//! header in memory, which is the C face's matter.

use super::{
    Adapter, Connector, Cq, Error, FastRegisterMr, Listener, Mr, Mw, Pd, Qp, RawMr, SharedEndpoint, Srq,
    Status,
};
use crate::planted::planted;
use std::fmt;

/// A version of NDK (`NDK_VERSION`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NdkVersion {
    /// Interfaces of different majors do not know each other.
    pub major: u16,
    /// A higher minor has everything of a lower one.
    pub minor: u16,
}

impl NdkVersion {
    /// The highest of major 1: Windows Server 2012 R2.
    pub const V1_2: Self = Self { major: 1, minor: 2 };
    /// The highest of major 2: Windows Server 2022, with the `_EX` forms and the provider's error codes.
    pub const V2_1: Self = Self { major: 2, minor: 1 };

    const HIGHEST: [Self; 2] = [Self::V1_2, Self::V2_1];

    /// The version that an instance reports which was opened with this one (ADP-2, Q-38); `None`: this major
    /// or this minor is not spoken (ADP-3).
    pub fn negotiated(self) -> Option<Self> {
        if planted!(VersionEchoed, "an instance reports the version that was asked for") {
            return Some(self);
        }
        Self::HIGHEST.into_iter().find(|highest| self.major == highest.major && self.minor <= highest.minor)
    }

    /// It has the `_EX` forms of the connector's calls, and provider error codes in completions.
    pub(super) fn has_provider_codes(self) -> bool {
        self >= Self::V2_1
    }
}

impl Default for NdkVersion {
    /// 2.1.
    fn default() -> Self {
        Self::V2_1
    }
}

impl fmt::Display for NdkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What an object is (`NDK_OBJECT_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum ObjectType {
    /// An adapter.
    Adapter = 1,
    /// A queue pair.
    Qp = 2,
    /// A completion queue.
    Cq = 3,
    /// A memory region of either kind.
    Mr = 4,
    /// A memory window.
    Mw = 5,
    /// A protection domain.
    Pd = 6,
    /// A shared endpoint.
    SharedEndpoint = 7,
    /// A connector.
    Connector = 8,
    /// A listener.
    Listener = 9,
    /// A shared receive queue.
    Srq = 10,
}

/// What every object begins with (`NDK_OBJECT_HEADER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectHeader {
    /// The version that its adapter instance reports (CREATE-4).
    pub version: NdkVersion,
    /// What it is.
    pub object_type: ObjectType,
}

/// The name of an extension interface (`GUID`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guid(pub u32, pub u16, pub u16, pub [u8; 8]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, second, third, rest) = self;
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{:02x}{:02x}-", rest[0], rest[1])?;
        rest[2..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An extension interface (`NDK_EXTENSION_INTERFACE`); none exists, so there is no value of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionInterface {}

/// What every object of NDK can tell of itself.
pub trait NdkObject: private::Described {
    /// Version and type of the object.
    fn header(&self) -> ObjectHeader {
        if planted!(HeaderOfAnother, "each object says that it is a domain") {
            return ObjectHeader { object_type: ObjectType::Pd, ..self.describe() };
        }
        self.describe()
    }

    /// The extension interface of that name, in that version (`NdkQueryExtensionInterface`).
    ///
    /// # Errors
    /// NOT_SUPPORTED: there is no such interface (ADP-5); NDK defines none.
    fn query_extension(&self, name: Guid, version: NdkVersion) -> Result<ExtensionInterface, Error> {
        Err(Error::new("NdkQueryExtensionInterface", Status::NOT_SUPPORTED)
            .with_argument("Guid", format_args!("{name}, version {version}"))
            .with_hint("do without it: this object has no extension interface"))
    }
}

impl<T: private::Described> NdkObject for T {}

mod private {
    /// Only the face describes objects.
    pub trait Described {
        #[doc(hidden)]
        fn describe(&self) -> super::ObjectHeader;
    }
}

/// One line for each object: its type, and the adapter that it belongs to.
macro_rules! described {
    ($($object:ty: $kind:ident, |$this:ident| $adapter:expr;)*) => {$(
        impl private::Described for $object {
            fn describe(&self) -> ObjectHeader {
                let $this = self;
                ObjectHeader { version: $adapter.version(), object_type: ObjectType::$kind }
            }
        }
    )*};
}

described! {
    Adapter: Adapter, |adapter| adapter.core;
    Qp: Qp, |qp| qp.adapter;
    Cq: Cq, |cq| cq.adapter;
    Mr: Mr, |mr| mr.adapter();
    FastRegisterMr: Mr, |region| region.adapter;
    RawMr: Mr, |region| region.adapter();
    Mw: Mw, |window| window.adapter;
    Pd: Pd, |pd| pd.adapter();
    SharedEndpoint: SharedEndpoint, |endpoint| endpoint.adapter();
    Connector: Connector, |connector| connector.adapter();
    Listener: Listener, |listener| listener.adapter();
    Srq: Srq, |srq| srq.adapter();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adp_2_adp_3_versions_that_are_spoken() {
        let spoken = |major, minor| NdkVersion { major, minor }.negotiated();
        for minor in 0..=2 {
            assert_eq!(spoken(1, minor), Some(NdkVersion::V1_2));
        }
        for minor in 0..=1 {
            assert_eq!(spoken(2, minor), Some(NdkVersion::V2_1));
        }
        for (major, minor) in [(0, 0), (0, 9), (1, 3), (2, 2), (3, 0), (3, 1), (u16::MAX, 0)] {
            assert_eq!(spoken(major, minor), None, "{major}.{minor}");
        }
    }

    #[test]
    fn a_guid_is_written_as_usual() {
        let guid = Guid(0x0123_4567, 0x89ab, 0xcdef, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(guid.to_string(), "01234567-89ab-cdef-0001-020304050607");
    }
}
