//! The branch between an emulated object and a real one.

/// Does the same with whichever object it is.
///
/// Without the feature `rdma-core` there is one variant, and no branch.
macro_rules! either {
    ($object:expr, $it:ident => $do:expr) => {
        match $object {
            Self::Emulated($it) => $do,
            #[cfg(feature = "rdma-core")]
            Self::Real($it) => $do,
        }
    };
}

pub(crate) use either;
