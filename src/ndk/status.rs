//! NTSTATUS numbers, and which of them a completion gets.

use crate::work;
use std::fmt;

/// How a call or a request ended, as NDK numbers it (NTSTATUS).
///
/// The upper two bits are the class: success, information, warning, error. Trap:
/// [`PENDING`](Self::PENDING) and [`TIMEOUT`](Self::TIMEOUT) are of the *success* class. Compare with
/// [`SUCCESS`](Self::SUCCESS) to know that something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

/// One list for the constants, their names and their docs, so that no status is without a name.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            const NAMES: &[(Self, &str)] = &[$((Self::$name, $text),)*];
        }
    };
}

statuses! {
    /// Done.
    SUCCESS = 0x0000_0000, "STATUS_SUCCESS";
    /// A time limit passed; of the success class, so qpair never returns it.
    TIMEOUT = 0x0000_0102, "STATUS_TIMEOUT";
    /// Not done yet: the result comes later; of the success class.
    PENDING = 0x0000_0103, "STATUS_PENDING";
    /// More data than there is room for; also a completion queue that overran.
    BUFFER_OVERFLOW = 0x8000_0005, "STATUS_BUFFER_OVERFLOW";
    /// Something still uses it.
    DEVICE_BUSY = 0x8000_0011, "STATUS_DEVICE_BUSY";
    /// The queue is full.
    NO_MORE_ENTRIES = 0x8000_001A, "STATUS_NO_MORE_ENTRIES";
    /// It failed; no more is known.
    UNSUCCESSFUL = 0xC000_0001, "STATUS_UNSUCCESSFUL";
    /// Memory that may not be accessed so, here or at the peer.
    ACCESS_VIOLATION = 0xC000_0005, "STATUS_ACCESS_VIOLATION";
    /// No such object.
    INVALID_HANDLE = 0xC000_0008, "STATUS_INVALID_HANDLE";
    /// An argument is wrong.
    INVALID_PARAMETER = 0xC000_000D, "STATUS_INVALID_PARAMETER";
    /// The object cannot do that, or not now.
    INVALID_DEVICE_REQUEST = 0xC000_0010, "STATUS_INVALID_DEVICE_REQUEST";
    /// No memory.
    NO_MEMORY = 0xC000_0017, "STATUS_NO_MEMORY";
    /// The buffer is too small; the size needed is told.
    BUFFER_TOO_SMALL = 0xC000_0023, "STATUS_BUFFER_TOO_SMALL";
    /// Arguments that do not go together.
    INVALID_PARAMETER_MIX = 0xC000_0030, "STATUS_INVALID_PARAMETER_MIX";
    /// More data, or more scatter/gather entries, than the request may have.
    DATA_OVERRUN = 0xC000_003C, "STATUS_DATA_OVERRUN";
    /// The data is damaged; named by one of Microsoft's tests only.
    DATA_ERROR = 0xC000_003E, "STATUS_DATA_ERROR";
    /// The local address is in use.
    SHARING_VIOLATION = 0xC000_0043, "STATUS_SHARING_VIOLATION";
    /// Not enough memory, indices or other resources.
    INSUFFICIENT_RESOURCES = 0xC000_009A, "STATUS_INSUFFICIENT_RESOURCES";
    /// The device is not ready.
    DEVICE_NOT_READY = 0xC000_00A3, "STATUS_DEVICE_NOT_READY";
    /// The peer did not answer in time.
    IO_TIMEOUT = 0xC000_00B5, "STATUS_IO_TIMEOUT";
    /// This adapter cannot do that.
    NOT_SUPPORTED = 0xC000_00BB, "STATUS_NOT_SUPPORTED";
    /// No such network; named by one of Microsoft's tests only.
    BAD_NETWORK_NAME = 0xC000_00CC, "STATUS_BAD_NETWORK_NAME";
    /// An error of the adapter itself.
    INTERNAL_ERROR = 0xC000_00E5, "STATUS_INTERNAL_ERROR";
    /// The first argument is wrong.
    INVALID_PARAMETER_1 = 0xC000_00EF, "STATUS_INVALID_PARAMETER_1";
    /// The second argument is wrong.
    INVALID_PARAMETER_2 = 0xC000_00F0, "STATUS_INVALID_PARAMETER_2";
    /// The third argument is wrong.
    INVALID_PARAMETER_3 = 0xC000_00F1, "STATUS_INVALID_PARAMETER_3";
    /// The fourth argument is wrong.
    INVALID_PARAMETER_4 = 0xC000_00F2, "STATUS_INVALID_PARAMETER_4";
    /// The fifth argument is wrong.
    INVALID_PARAMETER_5 = 0xC000_00F3, "STATUS_INVALID_PARAMETER_5";
    /// The sixth argument is wrong.
    INVALID_PARAMETER_6 = 0xC000_00F4, "STATUS_INVALID_PARAMETER_6";
    /// The seventh argument is wrong.
    INVALID_PARAMETER_7 = 0xC000_00F5, "STATUS_INVALID_PARAMETER_7";
    /// The eighth argument is wrong.
    INVALID_PARAMETER_8 = 0xC000_00F6, "STATUS_INVALID_PARAMETER_8";
    /// The ninth argument is wrong.
    INVALID_PARAMETER_9 = 0xC000_00F7, "STATUS_INVALID_PARAMETER_9";
    /// The tenth argument is wrong.
    INVALID_PARAMETER_10 = 0xC000_00F8, "STATUS_INVALID_PARAMETER_10";
    /// Flushed before it was executed (`ND_CANCELED`).
    CANCELLED = 0xC000_0120, "STATUS_CANCELLED";
    /// The peer could not carry it out (`ND_REMOTE_ERROR` is the same number).
    REMOTE_RESOURCES = 0xC000_013D, "STATUS_REMOTE_RESOURCES";
    /// Not an address of this adapter.
    INVALID_ADDRESS = 0xC000_0141, "STATUS_INVALID_ADDRESS";
    /// Not in the state that the call needs.
    INVALID_DEVICE_STATE = 0xC000_0184, "STATUS_INVALID_DEVICE_STATE";
    /// The size of a buffer is wrong.
    INVALID_BUFFER_SIZE = 0xC000_0206, "STATUS_INVALID_BUFFER_SIZE";
    /// No port is left.
    TOO_MANY_ADDRESSES = 0xC000_0209, "STATUS_TOO_MANY_ADDRESSES";
    /// These two addresses are connected already.
    ADDRESS_ALREADY_EXISTS = 0xC000_020A, "STATUS_ADDRESS_ALREADY_EXISTS";
    /// Disconnected; named by one of Microsoft's tests only.
    CONNECTION_DISCONNECTED = 0xC000_020C, "STATUS_CONNECTION_DISCONNECTED";
    /// The peer refuses, or nobody listens.
    CONNECTION_REFUSED = 0xC000_0236, "STATUS_CONNECTION_REFUSED";
    /// The object has an address already; named by Microsoft's tests only.
    ADDRESS_ALREADY_ASSOCIATED = 0xC000_0238, "STATUS_ADDRESS_ALREADY_ASSOCIATED";
    /// Not connected.
    CONNECTION_INVALID = 0xC000_023A, "STATUS_CONNECTION_INVALID";
    /// Connected already.
    CONNECTION_ACTIVE = 0xC000_023B, "STATUS_CONNECTION_ACTIVE";
    /// No way to that network.
    NETWORK_UNREACHABLE = 0xC000_023C, "STATUS_NETWORK_UNREACHABLE";
    /// No way to that host.
    HOST_UNREACHABLE = 0xC000_023D, "STATUS_HOST_UNREACHABLE";
    /// The peer gave up, or the connection broke.
    CONNECTION_ABORTED = 0xC000_0241, "STATUS_CONNECTION_ABORTED";
    /// The device is gone.
    DEVICE_REMOVED = 0xC000_02B6, "STATUS_DEVICE_REMOVED";
    /// More than this implementation can do.
    IMPLEMENTATION_LIMIT = 0xC000_042B, "STATUS_IMPLEMENTATION_LIMIT";
    /// The adapter does not speak that version of NDK.
    BAD_VERSION = 0xC001_0004, "NDIS_STATUS_BAD_VERSION";
    /// NDK is disabled on the adapter.
    ADAPTER_NOT_READY = 0xC001_0011, "NDIS_STATUS_ADAPTER_NOT_READY";
}

impl Status {
    /// Of the success or information class (`NT_SUCCESS`).
    ///
    /// True for [`PENDING`](Self::PENDING) and [`TIMEOUT`](Self::TIMEOUT) as well: it does not say that
    /// anything is done. For that, compare with [`SUCCESS`](Self::SUCCESS).
    pub const fn is_success(self) -> bool {
        self.0 >> 31 == 0
    }

    /// The name in Microsoft's headers, `STATUS_CANCELLED` say, if it is one that NDK uses.
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(status, _)| *status == self).map(|(_, name)| *name)
    }

    /// What NDK reports for `completion`.
    ///
    /// By the table of completion statuses (conformance notes, 5.4) with these rulings: a refused remote
    /// access is ACCESS_VIOLATION; a message too long for the peer's receive is REMOTE_RESOURCES at
    /// the sender; and waiting in vain is IO_TIMEOUT, since TIMEOUT is of the success class.
    pub(crate) fn of_completion(completion: &work::Completion) -> Self {
        use work::{CompletionKind as Kind, Status as Work};
        let receive = matches!(completion.kind, Kind::Receive | Kind::ReceiveWrite);
        match completion.status {
            Work::Success => Self::SUCCESS,
            Work::Flushed => Self::CANCELLED,
            Work::LocalLength if receive => Self::BUFFER_OVERFLOW,
            Work::LocalLength => Self::DATA_OVERRUN,
            Work::LocalProtection | Work::LocalAccess => Self::ACCESS_VIOLATION,
            // The region refuses. A window in the wrong state is LocalQpOperation: the request is malformed.
            Work::WindowBind => Self::ACCESS_VIOLATION,
            Work::LocalQpOperation => Self::INVALID_DEVICE_REQUEST,
            Work::RemoteAccess => Self::ACCESS_VIOLATION,
            Work::RemoteInvalidRequest | Work::RemoteOperation | Work::BadResponse | Work::RemoteAbort => {
                Self::REMOTE_RESOURCES
            }
            Work::RetryExceeded | Work::RnrRetryExceeded => Self::IO_TIMEOUT,
            Work::Fatal | Work::General => Self::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().unwrap_or("NTSTATUS");
        write!(f, "{name} (0x{:08X})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use work::{Completion, CompletionKind as Kind, Status as Work};

    #[test]
    fn numbers_are_those_of_the_headers() {
        let rows = [
            (Status::SUCCESS, 0x0000_0000),
            (Status::TIMEOUT, 0x0000_0102),
            (Status::PENDING, 0x0000_0103),
            (Status::BUFFER_OVERFLOW, 0x8000_0005),
            (Status::NO_MORE_ENTRIES, 0x8000_001A),
            (Status::ACCESS_VIOLATION, 0xC000_0005),
            (Status::INVALID_PARAMETER, 0xC000_000D),
            (Status::INVALID_DEVICE_REQUEST, 0xC000_0010),
            (Status::BUFFER_TOO_SMALL, 0xC000_0023),
            (Status::DATA_OVERRUN, 0xC000_003C),
            (Status::SHARING_VIOLATION, 0xC000_0043),
            (Status::INSUFFICIENT_RESOURCES, 0xC000_009A),
            (Status::IO_TIMEOUT, 0xC000_00B5),
            (Status::NOT_SUPPORTED, 0xC000_00BB),
            (Status::INTERNAL_ERROR, 0xC000_00E5),
            (Status::INVALID_PARAMETER_1, 0xC000_00EF),
            (Status::INVALID_PARAMETER_10, 0xC000_00F8),
            (Status::CANCELLED, 0xC000_0120),
            (Status::REMOTE_RESOURCES, 0xC000_013D),
            (Status::CONNECTION_REFUSED, 0xC000_0236),
            (Status::CONNECTION_INVALID, 0xC000_023A),
            (Status::CONNECTION_ABORTED, 0xC000_0241),
            (Status::IMPLEMENTATION_LIMIT, 0xC000_042B),
            (Status::BAD_VERSION, 0xC001_0004),
        ];
        rows.into_iter().for_each(|(status, number)| assert_eq!(status.0, number, "{status}"));
    }

    #[test]
    fn no_number_has_two_names() {
        let mut numbers: Vec<u32> = Status::NAMES.iter().map(|(status, _)| status.0).collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn says_name_and_number() {
        assert_eq!(Status::CANCELLED.to_string(), "STATUS_CANCELLED (0xC0000120)");
        assert_eq!(Status::SUCCESS.to_string(), "STATUS_SUCCESS (0x00000000)");
        assert_eq!(Status::BAD_VERSION.to_string(), "NDIS_STATUS_BAD_VERSION (0xC0010004)");
        assert_eq!(Status(0xC000_9999).to_string(), "NTSTATUS (0xC0009999)");
    }

    #[test]
    fn pending_is_of_the_success_class() {
        assert!(Status::SUCCESS.is_success() && Status::PENDING.is_success() && Status::TIMEOUT.is_success());
        assert!(Status::PENDING != Status::SUCCESS);
        assert!(!Status::BUFFER_OVERFLOW.is_success() && !Status::CANCELLED.is_success());
    }

    /// The table of completion statuses, a line a row: verbs, on a receive, on an initiator request.
    const ROWS: [(Work, Status, Status); 16] = [
        (Work::Success, Status::SUCCESS, Status::SUCCESS),
        (Work::Flushed, Status::CANCELLED, Status::CANCELLED),
        (Work::LocalLength, Status::BUFFER_OVERFLOW, Status::DATA_OVERRUN),
        (Work::LocalProtection, Status::ACCESS_VIOLATION, Status::ACCESS_VIOLATION),
        (Work::LocalAccess, Status::ACCESS_VIOLATION, Status::ACCESS_VIOLATION),
        (Work::WindowBind, Status::ACCESS_VIOLATION, Status::ACCESS_VIOLATION),
        (Work::LocalQpOperation, Status::INVALID_DEVICE_REQUEST, Status::INVALID_DEVICE_REQUEST),
        (Work::RemoteAccess, Status::ACCESS_VIOLATION, Status::ACCESS_VIOLATION),
        (Work::RemoteInvalidRequest, Status::REMOTE_RESOURCES, Status::REMOTE_RESOURCES),
        (Work::RemoteOperation, Status::REMOTE_RESOURCES, Status::REMOTE_RESOURCES),
        (Work::BadResponse, Status::REMOTE_RESOURCES, Status::REMOTE_RESOURCES),
        (Work::RetryExceeded, Status::IO_TIMEOUT, Status::IO_TIMEOUT),
        (Work::RnrRetryExceeded, Status::IO_TIMEOUT, Status::IO_TIMEOUT),
        (Work::RemoteAbort, Status::REMOTE_RESOURCES, Status::REMOTE_RESOURCES),
        (Work::Fatal, Status::INTERNAL_ERROR, Status::INTERNAL_ERROR),
        (Work::General, Status::INTERNAL_ERROR, Status::INTERNAL_ERROR),
    ];

    fn ended(kind: Kind, status: Work) -> Status {
        Status::of_completion(&Completion { kind, status, ..Completion::default() })
    }

    #[test]
    fn completions_get_the_status_of_the_table() {
        for (work, on_receive, on_initiator) in ROWS {
            for kind in [Kind::Receive, Kind::ReceiveWrite] {
                assert_eq!(ended(kind, work), on_receive, "{work:?}");
            }
            for kind in [Kind::Send, Kind::Write, Kind::Read, Kind::CompareAndSwap, Kind::FetchAndAdd] {
                assert_eq!(ended(kind, work), on_initiator, "{work:?}");
            }
        }
        for status in Work::ALL {
            assert!(ROWS.iter().any(|(work, ..)| *work == status), "{status:?} has no row");
        }
    }

    #[test]
    fn only_success_becomes_success() {
        for status in Work::ALL {
            assert_eq!(ended(Kind::Send, status).is_success(), status == Work::Success);
        }
    }
}
