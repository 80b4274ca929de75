//! Why an object was not made, or not changed.

use crate::ring::{Crowded, TableFull};
use crate::work::Feature;

/// Why a control call came to nothing; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Every index of the emulated device is taken.
    #[error(transparent)]
    Full(#[from] TableFull),
    /// More is in the queue than its new depth.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// Memory that cannot be registered so.
    #[error(transparent)]
    Region(#[from] crate::memory::RegisterError),
    /// A real device lacks it.
    #[error("the device {device} has no {feature}")]
    #[cfg_attr(not(feature = "rdma-core"), expect(dead_code, reason = "an emulated device has everything"))]
    NotSupported {
        /// Name of the device.
        device: String,
        /// What it lacks.
        feature: &'static str,
    },
    /// A real device lacks it, or this build does, for this reason.
    #[error("the device {device} has no {feature}: {reason}")]
    #[cfg_attr(not(feature = "rdma-core"), expect(dead_code, reason = "an emulated device has everything"))]
    Lacks {
        /// Name of the device.
        device: String,
        /// What it lacks.
        feature: Feature,
        /// Who lacks it, and what to do.
        reason: &'static str,
    },
    /// A real device, or its library, has refused.
    #[cfg(feature = "rdma-core")]
    #[error(transparent)]
    Device(#[from] qpair_rdma_core::Error),
}
