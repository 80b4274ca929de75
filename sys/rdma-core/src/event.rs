//! Asynchronous events of a device.

use rdma_sys as sys;
use std::mem::offset_of;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $source:ident;)*) => {
        /// What happened, unasked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum AsyncEventKind {
            $($(#[$doc])* $name,)*
            /// A number that this crate does not know.
            Other(u32),
        }

        impl AsyncEventKind {
            fn new(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            fn element(self) -> Element {
                match self {
                    $(Self::$name => Element::$source,)*
                    Self::Other(_) => Element::None,
                }
            }
        }
    };
}

kinds! {
    /// A completion queue overran or failed.
    CqError = 0 Cq;
    /// A queue pair is in the error state for a cause of its own.
    QpFatal = 1 Qp;
    /// A peer sent what is no valid request.
    QpRequestError = 2 Qp;
    /// A peer's request was not allowed.
    QpAccessError = 3 Qp;
    /// A first message came before the connection was established.
    CommunicationEstablished = 4 Qp;
    /// A send queue was drained, as asked.
    SendQueueDrained = 5 Qp;
    /// A connection went over to its alternate path.
    PathMigrated = 6 Qp;
    /// A connection could not go over to its alternate path.
    PathMigrationFailed = 7 Qp;
    /// The device failed; nothing works any more.
    DeviceFatal = 8 None;
    /// A port's link is up.
    PortActive = 9 Port;
    /// A port's link is down.
    PortError = 10 Port;
    /// A port's LID changed.
    LidChange = 11 Port;
    /// A port's table of partition keys changed.
    PkeyChange = 12 Port;
    /// A port has another subnet manager.
    SubnetManagerChange = 13 Port;
    /// A shared receive queue failed.
    SrqError = 14 Srq;
    /// A shared receive queue fell below its limit.
    SrqLimitReached = 15 Srq;
    /// A queue pair in error takes no more from its shared receive queue.
    LastRequestReached = 16 Qp;
    /// The subnet manager asks clients to register again.
    ClientReregister = 17 Port;
    /// A port's GID table changed.
    GidChange = 18 Port;
}

/// Which member of the event's union a kind fills in.
#[derive(Clone, Copy)]
enum Element {
    Cq,
    Qp,
    Srq,
    Port,
    None,
}

/// What an event is about; objects by the key that their creator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A completion queue.
    Cq(u64),
    /// A queue pair.
    Qp(u64),
    /// A shared receive queue.
    Srq(u64),
    /// A port, from 1.
    Port(u8),
    /// The device.
    Device,
}

/// An asynchronous event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncEvent {
    /// What happened.
    pub kind: AsyncEventKind,
    /// To what.
    pub source: Source,
}

impl AsyncEvent {
    /// Reads an event as plain memory.
    ///
    /// # Safety
    /// `raw` is a zeroed event that ibv_get_async_event filled in, of an object of this crate, and is not yet
    /// acknowledged. It may hold a kind that is no value of the enum.
    pub(crate) unsafe fn read(raw: *const sys::ibv_async_event) -> Self {
        let at = |offset: usize| raw.cast::<u8>().wrapping_add(offset);
        let number = at(offset_of!(sys::ibv_async_event, event_type)).cast::<u32>();
        // SAFETY: within the event and aligned as the enum is, which is C's int; never typed as the enum.
        let kind = AsyncEventKind::new(unsafe { number.read() });
        let element = at(offset_of!(sys::ibv_async_event, element));
        // SAFETY: `kind` says which member the library filled in. An object still exists as the event is not
        // yet acknowledged, and its context is set at creation and never changed.
        let source = unsafe {
            match kind.element() {
                Element::Cq => Source::Cq((*element.cast::<*mut sys::ibv_cq>().read()).cq_context as u64),
                Element::Qp => Source::Qp((*element.cast::<*mut sys::ibv_qp>().read()).qp_context as u64),
                Element::Srq => Source::Srq((*element.cast::<*mut sys::ibv_srq>().read()).srq_context as u64),
                Element::Port => Source::Port(u8::try_from(element.cast::<i32>().read()).unwrap_or(0)),
                Element::None => Source::Device,
            }
        };
        Self { kind, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    /// An event as the library writes it: a kind, and the first eight bytes of the union.
    fn event(kind: u32, element: u64) -> AsyncEvent {
        let mut raw = MaybeUninit::<sys::ibv_async_event>::zeroed();
        // SAFETY: within the event, aligned as its members are.
        unsafe {
            raw.as_mut_ptr().cast::<u64>().write(element);
            raw.as_mut_ptr()
                .cast::<u8>()
                .add(offset_of!(sys::ibv_async_event, event_type))
                .cast::<u32>()
                .write(kind);
            AsyncEvent::read(raw.as_ptr())
        }
    }

    #[test]
    fn an_unknown_kind_is_a_number_and_names_no_object() {
        let unknown = AsyncEvent { kind: AsyncEventKind::Other(4711), source: Source::Device };
        assert_eq!(event(4711, 0xdead), unknown);
        // The failure of a work queue, an object that this crate does not make.
        assert_eq!(event(19, 0xdead).source, Source::Device);
    }

    #[test]
    fn ports_and_objects_are_told_apart() {
        let port = AsyncEvent { kind: AsyncEventKind::PortError, source: Source::Port(2) };
        assert_eq!(event(10, 2), port);
        let mut qp = MaybeUninit::<sys::ibv_qp>::zeroed();
        // SAFETY: a place of that type.
        unsafe { (*qp.as_mut_ptr()).qp_context = 77 as *mut _ };
        let fatal = AsyncEvent { kind: AsyncEventKind::QpFatal, source: Source::Qp(77) };
        assert_eq!(event(1, qp.as_ptr() as u64), fatal);
    }

    #[test]
    fn numbers_are_those_of_the_header() {
        use sys::ibv_event_type as kind;
        assert_eq!(AsyncEventKind::new(kind::IBV_EVENT_DEVICE_FATAL as u32), AsyncEventKind::DeviceFatal);
        assert_eq!(
            AsyncEventKind::new(kind::IBV_EVENT_SRQ_LIMIT_REACHED as u32),
            AsyncEventKind::SrqLimitReached
        );
        assert_eq!(AsyncEventKind::new(kind::IBV_EVENT_GID_CHANGE as u32), AsyncEventKind::GidChange);
    }
}
