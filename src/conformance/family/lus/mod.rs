//! Two logical units on one NET, and programs on both faces.
//!
//! It names only what is public, so that the tests of conversations take it as well.
//!
//! May come in: what checks of several groups need of conversations. Not here: the checks.

pub mod partners;

use crate::ndk::{Adapter, Faults};
use crate::ulp::conversation::appc::{Allocate, Appc, ConvId, ReceiveArguments, TpId};
use crate::ulp::conversation::{Lu, Node, Options, SideInformation, TpDefinition};
use std::fmt::Debug;
use std::time::Duration;

/// How a check ends: what was expected and is not so.
pub type Check = Result<(), String>;

/// The two are the same, or `what` is not as it should be.
#[track_caller]
pub fn same<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Check {
    let at = std::panic::Location::caller();
    if got == expected { Ok(()) } else { Err(format!("{at}: {what}: {got:?}, expected {expected:?}")) }
}

/// It succeeded, or `what` did not.
#[track_caller]
pub fn done<T, E: Debug>(what: &str, result: Result<T, E>) -> Result<T, String> {
    let at = std::panic::Location::caller();
    result.map_err(|error| format!("{at}: {what}: {error:?}"))
}

/// Two nodes, of one unit each.
pub struct World {
    pub nodes: [Node; 2],
    pub units: [Lu; 2],
    pub appc: [Appc; 2],
}

/// Attaches are there at once or not at all.
pub fn options() -> Options {
    Options { receive_allocate_limit: Some(Duration::ZERO), ..Options::default() }
}

impl World {
    pub fn new(net: &str) -> Result<Self, String> {
        Self::with(net, options())
    }

    pub fn with(net: &str, options: Options) -> Result<Self, String> {
        Self::with_faults(net, options, None)
    }

    /// `faults` order what goes wrong on the adapter on the left.
    pub fn with_faults(net: &str, options: Options, faults: Option<&Faults>) -> Result<Self, String> {
        let make = |alias: &str| {
            let mut adapter = Adapter::options(&format!("local/conversation-{net}"));
            if let Some(faults) = faults.filter(|_| alias == "LEFT") {
                adapter = adapter.faults(faults);
            }
            let adapter = done("open", adapter.open())?;
            let address = adapter.addresses()[0];
            let node = done("node", Node::with_options(adapter, options))?;
            let lu = done("unit", node.define_lu(alias, &format!("NET.{alias}"), address))?;
            Ok::<_, String>((node, lu))
        };
        let ((a, left), (b, right)) = (make("LEFT")?, make("RIGHT")?);
        left.define_partner("RIGHT", "NET.RIGHT", right.address());
        right.define_partner("LEFT", "NET.LEFT", left.address());
        for lu in [&left, &right] {
            lu.define_tp(TpDefinition::new("SERVER"));
            lu.define_tp(TpDefinition { pip: true, ..TpDefinition::new("PIPS") });
            lu.define_tp(TpDefinition { confirms: false, ..TpDefinition::new("PLAIN") });
        }
        for (lu, partner) in [(&left, "RIGHT"), (&right, "LEFT")] {
            let information = SideInformation {
                partner_lu: partner.to_owned(),
                tp_name: "SERVER".to_owned(),
                ..SideInformation::default()
            };
            lu.define_side_information("SERVER", information);
        }
        let appc = [Appc::new(&a), Appc::new(&b)];
        Ok(Self { nodes: [a, b], units: [left, right], appc })
    }

    /// Begins a conversation on the left; nothing of it has been sent.
    pub fn allocate(&self, confirm: bool) -> Result<End<'_>, String> {
        let appc = &self.appc[0];
        let tp = done("TP_STARTED", appc.tp_started("LEFT", "CLIENT"))?;
        let asks = Allocate::new("RIGHT", "SERVER");
        let asks = if confirm { asks.confirm() } else { asks };
        let conv = done("ALLOCATE", appc.allocate(tp, &asks).wait())?;
        Ok(End { appc, tp, conv })
    }

    /// Takes the conversation on the right.
    pub fn accept(&self) -> Result<End<'_>, String> {
        let appc = &self.appc[1];
        let got = done("RECEIVE_ALLOCATE", appc.receive_allocate("SERVER"))?;
        Ok(End { appc, tp: got.tp_id, conv: got.conv_id })
    }

    /// A conversation that both sides know of: the left one sends.
    pub fn pair(&self, confirm: bool) -> Result<(End<'_>, End<'_>), String> {
        let left = self.allocate(confirm)?;
        same("FLUSH", left.flush(), OK)?;
        Ok((left, self.accept()?))
    }
}

/// One side of a conversation, by APPC.
#[derive(Clone, Copy)]
pub struct End<'a> {
    pub appc: &'a Appc,
    pub tp: TpId,
    pub conv: ConvId,
}

/// AP_OK.
pub const OK: (u16, u32) = (0, 0);

/// A record of these bytes.
pub fn record(bytes: &[u8]) -> Vec<u8> {
    let mut record = (bytes.len() as u16 + 2).to_be_bytes().to_vec();
    record.extend(bytes);
    record
}

mod verbs {
    use super::*;
    use crate::ulp::conversation::appc::{
        Deallocate, Locks, PrepareToReceive, Received, Reply, ReturnCode, SendType,
    };
    use crate::ulp::conversation::{ErrorType, Pending, State};

    fn codes(rc: ReturnCode) -> (u16, u32) {
        (rc.primary, rc.secondary)
    }

    /// A verb that must not wait has ended; one that waits is told so by a code that no verb has.
    pub fn at_once(pending: Pending<Reply>) -> (u16, u32) {
        pending.now().map_or(WAITS, |reply| codes(reply.rc))
    }

    /// Not a return code: the verb waits.
    pub const WAITS: (u16, u32) = (0xDEAD, 0);

    impl End<'_> {
        pub fn send(&self, data: &[u8]) -> (u16, u32) {
            self.send_as(data, SendType::None)
        }

        pub fn send_as(&self, data: &[u8], kind: SendType) -> (u16, u32) {
            at_once(self.appc.send_data(self.tp, self.conv, data, kind))
        }

        pub fn flush(&self) -> (u16, u32) {
            at_once(self.appc.flush(self.tp, self.conv))
        }

        /// A FLUSH block after the call, with that operation extension.
        pub fn flush_block(&self, opext: u8) -> Result<[u8; 24], String> {
            let mut block = [0; 24];
            block[..3].copy_from_slice(&[0x06, 0x00, opext]);
            block[12..20].copy_from_slice(&self.tp);
            block[20..].copy_from_slice(&self.conv.to_ne_bytes());
            done("APPC", self.appc.call(&mut block, &mut []))?;
            Ok(block)
        }

        pub fn confirm(&self) -> Pending<Reply> {
            self.appc.confirm(self.tp, self.conv)
        }

        pub fn confirmed(&self) -> (u16, u32) {
            at_once(self.appc.confirmed(self.tp, self.conv))
        }

        pub fn prepare_to_receive(&self, kind: PrepareToReceive) -> Pending<Reply> {
            self.appc.prepare_to_receive(self.tp, self.conv, kind, Locks::Short)
        }

        pub fn give_turn(&self) -> (u16, u32) {
            at_once(self.prepare_to_receive(PrepareToReceive::Flush))
        }

        pub fn request_to_send(&self) -> (u16, u32) {
            at_once(self.appc.request_to_send(self.tp, self.conv))
        }

        pub fn test_rts(&self) -> (u16, u32) {
            at_once(self.appc.test_rts(self.tp, self.conv))
        }

        pub fn send_error(&self) -> (u16, u32) {
            at_once(self.appc.send_error(self.tp, self.conv, ErrorType::Program, false, &[]))
        }

        pub fn deallocate(&self, kind: Deallocate) -> (u16, u32) {
            at_once(self.appc.deallocate(self.tp, self.conv, kind, &[]))
        }

        pub fn receive(&self) -> Pending<Received> {
            self.appc.receive_and_wait(self.tp, self.conv, ReceiveArguments::new(u16::MAX))
        }

        /// What is here now: codes, what, and the data.
        pub fn take(&self) -> (u16, u16, Vec<u8>) {
            self.take_with(ReceiveArguments::new(u16::MAX))
        }

        pub fn take_with(&self, arguments: ReceiveArguments) -> (u16, u16, Vec<u8>) {
            match self.appc.receive_immediate(self.tp, self.conv, arguments).now() {
                Ok(got) => (got.rc.primary, got.what_rcvd, got.data),
                Err(_) => (WAITS.0, 0, Vec::new()),
            }
        }

        pub fn state(&self) -> Option<State> {
            self.appc.get_state(self.tp, self.conv).ok()
        }
    }
}

#[allow(unused_imports, reason = "tests that share this file do without")]
pub use verbs::at_once;

/// Events that the library has logged while `body` ran on this thread, as one line each.
pub fn logged<R>(body: impl FnOnce() -> R) -> (R, Vec<String>) {
    let lines = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let log = Log { lines: lines.clone() };
    let result = tracing::subscriber::with_default(log, body);
    let lines = lines.lock().expect("no test panics below it").clone();
    (result, lines)
}

struct Log {
    lines: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl tracing::Subscriber for Log {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut line = Line(format!("{} ", event.metadata().level()));
        event.record(&mut line);
        self.lines.lock().expect("no test panics below it").push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Frames of 256 bytes, two of them without the program's receiving.
pub fn small() -> Options {
    Options { frame_size: 256, window: 2, ..options() }
}

/// A record that fills `frames` frames of [`small`].
pub fn long(frames: usize) -> Vec<u8> {
    record(&vec![b'x'; frames * 232 - 2])
}
