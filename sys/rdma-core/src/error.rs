//! What can go wrong, said with the call, the argument, the limit and what to do.

use std::io;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library, the kernel or the device refused.
    #[error("{call} failed: {source}{}", remedy(.call, .source))]
    System {
        /// The function of libibverbs or librdmacm, or the system call.
        call: &'static str,
        /// Its errno.
        source: io::Error,
    },
    /// The device, the provider library or the headers of the build lack this.
    #[error("{feature} is not supported: {reason}")]
    NotSupported {
        /// What was asked for.
        feature: &'static str,
        /// Who lacks it.
        reason: &'static str,
    },
    /// An argument is out of its range; nothing was asked of the library.
    #[error("{call}: {argument} is {given}, {limit} at most; {remedy}")]
    TooLarge {
        /// The call of this crate.
        call: &'static str,
        /// Which argument.
        argument: &'static str,
        /// What was given.
        given: u64,
        /// The most there may be.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// An argument cannot be used here; nothing was asked of the library.
    #[error("{call}: {argument} {problem}")]
    Unfit {
        /// The call of this crate.
        call: &'static str,
        /// Which argument.
        argument: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no device of this name.
    #[error("there is no device {name}; there are: {known}")]
    NoDevice {
        /// The name asked for.
        name: String,
        /// The names there are, separated by commas; `none` when there is none.
        known: String,
    },
    /// The object still has others that need it, so it cannot be closed.
    #[error("{object} is still in use; close what was created from it first")]
    InUse {
        /// What kind of object.
        object: &'static str,
    },
}

impl Error {
    /// The errno of the refusal, where the system refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::System { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// Whether the cause is that something is not supported, by whomever.
    pub fn is_not_supported(&self) -> bool {
        let unsupported = [libc::EOPNOTSUPP, libc::ENOSYS];
        matches!(self, Self::NotSupported { .. }) || self.errno().is_some_and(|n| unsupported.contains(&n))
    }

    pub(crate) fn last(call: &'static str) -> Self {
        Self::System { call, source: io::Error::last_os_error() }
    }

    pub(crate) fn from_errno(call: &'static str, errno: i32) -> Self {
        Self::System { call, source: io::Error::from_raw_os_error(errno) }
    }
}

/// What to do about errnos that mean something particular here.
fn remedy(call: &str, source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::ENOMEM) => "; if memory is plenty, raise the limit of locked memory (ulimit -l)",
        Some(libc::EACCES | libc::EPERM) => "; this user may not use the device node in /dev/infiniband",
        Some(libc::ENOSYS) if call == "ibv_get_device_list" => {
            "; this kernel has no InfiniBand: load the module ib_uverbs"
        }
        Some(libc::ENODEV | libc::ENOENT) if call == "rdma_create_event_channel" => {
            "; there is no device, or no connection manager: load the module rdma_ucm"
        }
        _ => "",
    }
}

/// An object that could not be closed, handed back with the reason.
///
/// It is as it was: close it again once the reason is gone.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotClosed<T> {
    /// The object.
    pub object: T,
    /// Why it is still there.
    #[source]
    pub error: Box<Error>,
}

impl<T> NotClosed<T> {
    pub(crate) fn new(object: T, error: Error) -> Self {
        Self { object, error: Box::new(error) }
    }
}

/// Reads the answer of a call that returns 0, an errno, or -1 with errno set.
///
/// Verbs says "0 on success, or the value of errno", librdmacm says -1, and libibverbs passes -1 through.
pub(crate) fn answer(call: &'static str, status: i32) -> Result<(), Error> {
    match status {
        0 => Ok(()),
        -1 => Err(Error::last(call)),
        negative if negative < 0 => Err(Error::from_errno(call, -negative)),
        errno => Err(Error::from_errno(call, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_all_three_manners() {
        assert!(answer("a", 0).is_ok());
        assert_eq!(answer("a", libc::EBUSY).unwrap_err().errno(), Some(libc::EBUSY));
        assert_eq!(answer("a", -libc::EINVAL).unwrap_err().errno(), Some(libc::EINVAL));
        assert!(answer("a", -1).unwrap_err().errno().is_some());
    }

    #[test]
    fn the_message_says_call_reason_and_remedy() {
        let text = Error::from_errno("ibv_reg_mr", libc::ENOMEM).to_string();
        assert!(text.starts_with("ibv_reg_mr failed: ") && text.ends_with("(ulimit -l)"), "{text}");
        assert!(Error::from_errno("x", libc::EOPNOTSUPP).is_not_supported());
        assert!(!Error::from_errno("x", libc::EINVAL).is_not_supported());
    }
}
