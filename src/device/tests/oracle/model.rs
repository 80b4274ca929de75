//! Two queue pairs as plain queues: what the engine must look like from outside.
//!
//! No concurrency, no rings, no claim: a call runs to its end before the next one. What is told to users is
//! told at the end of the call.

mod ends;
mod keyed;
mod memory;

use super::completions::CompletionQueue;
use super::program::{Call, Chosen, DEPTH, Entry, INLINE, KeyOf, MEMORY, Payload, SGE, Setting, Verb};
use crate::device::qp::PostRefused;
use crate::ring::Class;
use crate::work::{
    Completion, CompletionFlags, CompletionKind, Detail, FlushPlacement, Key, Qpn, RequestFlags, Selectivity,
    Status,
};
use keyed::Keyed;
use memory::Access;
use std::collections::VecDeque;

/// What the real objects are called, so that completions compare whole.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) qpn: [Qpn; 2],
    pub(super) qp_context: u64,
    /// Keys of each end for `KeyOf::Whole`, `ReadOnly`, `Foreign`, `Unknown` and `Doomed`, and the homes of
    /// its window and its fast-register region.
    pub(super) keys: [[Key; 7]; 2],
}

impl Names {
    pub(super) fn key(&self, end: usize, key: KeyOf) -> Key {
        let keys = &self.keys[end];
        let later = |home: Key, count| Key::new(home.index(), home.generation().wrapping_add(count));
        match key {
            KeyOf::Whole => keys[0],
            KeyOf::ReadOnly => keys[1],
            KeyOf::Foreign => keys[2],
            KeyOf::Unknown => keys[3],
            KeyOf::Doomed => keys[4],
            KeyOf::Window(count) => later(keys[5], count),
            KeyOf::Listed(count) => later(keys[6], count),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Init,
    Connected,
    Error,
}

struct Request {
    context: u64,
    verb: Verb,
    payload: Payload,
    flags: RequestFlags,
    exposed: bool,
}

struct Receive {
    context: u64,
    sgl: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) completed: u64,
    pub(super) bytes: u64,
    pub(super) failed: u64,
}

pub(super) struct End {
    state: State,
    /// Initiator requests are refused.
    closed: bool,
    /// The user has given the queue pair back: no call names it any more.
    pub(super) gone: bool,
    sends: VecDeque<Request>,
    last_deferred: bool,
    receives: VecDeque<Receive>,
    /// Its shared receive queue, if it has one.
    shared: Option<VecDeque<Receive>>,
    pub(super) memory: Vec<u8>,
    pub(super) doomed: bool,
    keyed: Keyed,
    pub(super) out: Counts,
    pub(super) in_: Counts,
}

/// How a request ended: bytes, or why not.
type Ended = Result<u32, (Status, Detail)>;

pub(super) struct Model {
    names: Names,
    pub(super) ends: [End; 2],
    shared_depth: usize,
    pub(super) cqs: Vec<CompletionQueue>,
    split: bool,
    /// Where the connection has died and somebody has not been told.
    deaths: Vec<usize>,
}

impl Model {
    pub(super) fn new(names: Names, setting: &Setting) -> Self {
        let end = |index: usize| End {
            state: State::Init,
            closed: true,
            gone: false,
            sends: VecDeque::new(),
            last_deferred: false,
            receives: VecDeque::new(),
            shared: (setting.shared_depth > 0).then(VecDeque::new),
            memory: (0..MEMORY).map(|byte| (byte * 7 + index * 101) as u8).collect(),
            doomed: false,
            keyed: Keyed::default(),
            out: Counts::default(),
            in_: Counts::default(),
        };
        let (sends, receives) = setting.cq_depths.unwrap_or((4096, 4096));
        let cqs = [sends, receives, sends, receives].map(CompletionQueue::new).into();
        let ends = [end(0), end(1)];
        let split = setting.cq_depths.is_some();
        let mut model =
            Self { names, ends, shared_depth: setting.shared_depth, cqs, split, deaths: Vec::new() };
        if setting.connected {
            model.connect();
        }
        model
    }

    /// Index of the completion queue that this end's sends or receives complete into.
    pub(super) fn cq(&self, end: usize, receives: bool) -> usize {
        2 * end + usize::from(receives && self.split)
    }

    pub(super) fn may_connect(&self) -> bool {
        self.ends.iter().all(|end| end.state == State::Init && !end.gone)
    }

    fn connect(&mut self) {
        for end in &mut self.ends {
            (end.state, end.closed) = (State::Connected, false);
        }
    }

    pub(super) fn pending(&self, end: usize) -> (u64, u64) {
        (self.ends[end].sends.len() as u64, self.ends[end].receives.len() as u64)
    }

    pub(super) fn shared_len(&self, end: usize) -> Option<u64> {
        self.ends[end].shared.as_ref().map(|shared| shared.len() as u64)
    }

    /// Makes the call numbered `context`; what a post returns.
    pub(super) fn call(&mut self, context: u64, call: &Call) -> Result<(), PostRefused> {
        let result = match call {
            Call::Post { end, verb, payload, flags, deferred } => {
                let request = Request {
                    context,
                    verb: *verb,
                    payload: payload.clone(),
                    flags: *flags,
                    exposed: !deferred,
                };
                self.post(*end, request)
            }
            Call::Receive { end, sgl } => self.receive(*end, Receive { context, sgl: sgl.clone() }),
            Call::SharedReceive { end, sgl } => {
                self.shared_receive(*end, Receive { context, sgl: sgl.clone() })
            }
            other => {
                self.control(other);
                Ok(())
            }
        };
        self.settle();
        result
    }

    fn control(&mut self, call: &Call) {
        match *call {
            Call::Connect => self.connect(),
            Call::Flush(end) => {
                self.cancel_sends(end);
                self.settle();
                self.cancel_receives(end);
            }
            Call::Deregister(end) => self.ends[end].doomed = true,
            Call::Error(end) => self.die(end),
            Call::Disconnect(end) => {
                (self.ends[end].state, self.ends[end].closed) = (State::Error, true);
                self.cancel_sends(end);
                self.cancel_receives(end);
                // Its peer is not told: it sees it when it tries.
            }
            Call::Close(end) => {
                (self.ends[end].closed, self.ends[end].gone) = (true, true);
                self.die(end);
                self.cancel_sends(end);
            }
            Call::Arm { end, receives, level } => {
                let cq = self.cq(end, receives);
                self.cqs[cq].arm(level);
            }
            Call::Post { .. } | Call::Receive { .. } | Call::SharedReceive { .. } | Call::Poll { .. } => {}
        }
    }

    /// The call is over: everybody learns of what has died, then users hear what there is to hear.
    fn settle(&mut self) {
        while let Some(end) = self.deaths.pop() {
            self.cancel_sends(end);
            self.cancel_receives(end);
            if self.ends[1 - end].state == State::Connected {
                self.die(1 - end);
            }
        }
        self.cqs.iter_mut().for_each(CompletionQueue::deliver);
    }

    fn die(&mut self, end: usize) {
        if self.ends[end].state != State::Error {
            let was_connected = self.ends[end].state == State::Connected;
            self.ends[end].state = State::Error;
            if was_connected {
                self.deaths.push(end);
            } else {
                self.cancel_sends(end);
                self.cancel_receives(end);
            }
        }
    }

    fn judge(&self, request: &Request) -> Result<(), PostRefused> {
        if matches!(request.verb, Verb::Bind { .. } | Verb::FastRegister { .. }) {
            return Ok(());
        }
        let (entries, length) = match &request.payload {
            Payload::Sgl(sgl) => (sgl.len(), sgl.iter().map(|entry| u64::from(entry.length)).sum()),
            Payload::Inline(bytes) => (0, bytes.len() as u64),
        };
        if entries > SGE {
            return Err(PostRefused::TooManyEntries { got: entries, max: SGE as u32 });
        }
        let inline = matches!(request.payload, Payload::Inline(_));
        if inline && length > INLINE as u64 {
            return Err(PostRefused::InlineTooLong { got: length as usize, max: INLINE as u32 });
        }
        let atomic = matches!(request.verb, Verb::CompareAndSwap { .. } | Verb::FetchAndAdd { .. });
        let reads = atomic || matches!(request.verb, Verb::Read { .. });
        if reads && (inline || atomic && (entries != 1 || length != 8)) {
            return Err(PostRefused::WrongData { entries, length });
        }
        Ok(())
    }

    fn post(&mut self, end: usize, request: Request) -> Result<(), PostRefused> {
        let side = &self.ends[end];
        let room = if side.closed {
            Err(PostRefused::NotConnected)
        } else if side.sends.len() == DEPTH {
            Err(PostRefused::Full { depth: DEPTH as u64 })
        } else {
            Ok(())
        };
        let refused = self.judge_place(end, &request).and(self.judge(&request)).and(room);
        let side = &mut self.ends[end];
        if refused.is_err() {
            if side.last_deferred {
                self.expose(end);
            }
            return refused;
        }
        let plain = request.exposed;
        side.keyed.posted(&request.verb);
        side.sends.push_back(request);
        side.last_deferred = !plain;
        if plain {
            self.expose(end);
        } else if side.state == State::Error {
            self.run(end);
        }
        Ok(())
    }

    fn expose(&mut self, end: usize) {
        self.ends[end].sends.iter_mut().for_each(|request| request.exposed = true);
        self.run(end);
    }

    fn receive(&mut self, end: usize, receive: Receive) -> Result<(), PostRefused> {
        let side = &mut self.ends[end];
        if side.shared.is_some() {
            return Err(PostRefused::HasSharedQueue);
        }
        if receive.sgl.len() > SGE {
            return Err(PostRefused::TooManyEntries { got: receive.sgl.len(), max: SGE as u32 });
        }
        if side.receives.len() == DEPTH {
            return Err(PostRefused::Full { depth: DEPTH as u64 });
        }
        side.receives.push_back(receive);
        if side.state == State::Error {
            self.cancel_receives(end);
        }
        self.run(1 - end);
        Ok(())
    }

    fn shared_receive(&mut self, end: usize, receive: Receive) -> Result<(), PostRefused> {
        if receive.sgl.len() > SGE {
            return Err(PostRefused::TooManyEntries { got: receive.sgl.len(), max: SGE as u32 });
        }
        let shared = self.ends[end].shared.as_mut().expect("only called where there is one");
        if shared.len() == self.shared_depth {
            return Err(PostRefused::Full { depth: self.shared_depth as u64 });
        }
        shared.push_back(receive);
        self.run(1 - end);
        Ok(())
    }

    /// Executes, in order, what may be executed.
    fn run(&mut self, end: usize) {
        loop {
            if self.ends[end].state == State::Error {
                return self.cancel_sends(end);
            }
            if !self.ends[end].sends.front().is_some_and(|request| request.exposed) {
                return;
            }
            let request = self.ends[end].sends.pop_front().expect("just seen");
            match self.execute(end, &request) {
                Some(ended) => {
                    if ended.is_err() {
                        self.die(end);
                    }
                    self.complete_send(end, &request, ended);
                }
                None => return self.ends[end].sends.push_front(request), // no receive
            }
        }
    }

    fn execute(&mut self, end: usize, request: &Request) -> Option<Ended> {
        let peer = 1 - end;
        if let Verb::Bind { .. } | Verb::FastRegister { .. } = request.verb {
            return Some(self.change_keys(end, request));
        }
        if self.ends[peer].state != State::Connected {
            return Some(Err((Status::RetryExceeded, Detail::PeerGone)));
        }
        match request.verb {
            Verb::Send
            | Verb::SendWithImmediate(_)
            | Verb::SendWithInvalidate(_)
            | Verb::WriteWithImmediate { .. } => self.message(end, request),
            Verb::Write { to, key } => Some(self.write(end, request, to, key)),
            Verb::Read { from, key } => Some(self.read(end, request, from, key)),
            Verb::CompareAndSwap { at, key, compare, swap } => {
                Some(self.atomic(end, request, at, key, |old| if old == compare { swap } else { old }))
            }
            Verb::FetchAndAdd { at, key, add } => {
                Some(self.atomic(end, request, at, key, |old| old.wrapping_add(add)))
            }
            Verb::AtomicWrite { at, key, value } => Some(self.atomic_write(end, at, key, value)),
            Verb::Flush { from, key, length, placement, selectivity } => {
                let range = (selectivity == Selectivity::Range).then_some((from, length));
                Some(self.flush(end, key, range, placement))
            }
            Verb::Bind { .. } | Verb::FastRegister { .. } => unreachable!("handled above"),
        }
    }

    fn message(&mut self, end: usize, request: &Request) -> Option<Ended> {
        let peer = 1 - end;
        if self.ends[peer].receives.is_empty() {
            let taken = self.ends[peer].shared.as_mut().and_then(VecDeque::pop_front);
            self.ends[peer].receives.extend(taken);
        }
        let receive = self.ends[peer].receives.pop_front()?;
        let (ended, received) = match request.verb {
            Verb::WriteWithImmediate { to, key, .. } => {
                let ended = self.write(end, request, to, key);
                (ended, ended.ok().map(Ok))
            }
            _ => self.deliver(end, request, &receive),
        };
        match received {
            None => self.ends[peer].receives.push_front(receive), // the fault is the sender's
            Some(received) => {
                if received.is_err() {
                    self.die(peer);
                }
                self.complete_receive(peer, &receive, received, Some(request));
            }
        }
        Some(ended)
    }

    /// A send meets a receive: how it ends for the sender, and for the receive if that completes.
    fn deliver(&mut self, end: usize, request: &Request, receive: &Receive) -> (Ended, Option<Ended>) {
        let peer = 1 - end;
        let data = match self.gather(end, &request.payload) {
            Ok(data) => data,
            Err(denied) => return (Err((Status::LocalProtection, denied.detail())), None),
        };
        if data.len() as u64 > receive.sgl.iter().map(|entry| u64::from(entry.length)).sum() {
            let detail = Detail::ReceiveTooSmall;
            return (Err((Status::RemoteInvalidRequest, detail)), Some(Err((Status::LocalLength, detail))));
        }
        let places = match self.places(peer, &receive.sgl, Access::LocalWrite) {
            Ok(places) => places,
            Err(denied) => {
                let detail = denied.detail();
                return (
                    Err((Status::RemoteOperation, detail)),
                    Some(Err((Status::LocalProtection, detail))),
                );
            }
        };
        if let Verb::SendWithInvalidate(key) = request.verb {
            if let Err(denied) = self.invalidate(peer, key) {
                return (Err((Status::RemoteAccess, denied.detail())), None);
            }
        }
        self.put(peer, &places, &data);
        (Ok(data.len() as u32), Some(Ok(data.len() as u32)))
    }

    fn write(&mut self, end: usize, request: &Request, to: u64, key: KeyOf) -> Ended {
        let data = self.gather(end, &request.payload).map_err(|d| (Status::LocalProtection, d.detail()))?;
        let entry = Entry { key, offset: to, length: data.len() as u32 };
        let places = self
            .places(1 - end, &[entry], Access::RemoteWrite)
            .map_err(|d| (Status::RemoteAccess, d.detail()))?;
        self.put(1 - end, &places, &data);
        Ok(data.len() as u32)
    }

    fn read(&mut self, end: usize, request: &Request, from: u64, key: KeyOf) -> Ended {
        let Payload::Sgl(sgl) = &request.payload else { unreachable!("refused by the post") };
        let length = sgl.iter().map(|entry| entry.length).sum();
        let data = self
            .bytes(1 - end, Entry { key, offset: from, length }, Access::RemoteRead)
            .map_err(|d| (Status::RemoteAccess, d.detail()))?;
        let places =
            self.places(end, sgl, Access::LocalWrite).map_err(|d| (Status::LocalProtection, d.detail()))?;
        self.put(end, &places, &data);
        Ok(length)
    }

    fn atomic(
        &mut self,
        end: usize,
        request: &Request,
        at: u64,
        key: KeyOf,
        change: impl Fn(u64) -> u64,
    ) -> Ended {
        let Payload::Sgl(sgl) = &request.payload else { unreachable!("refused by the post") };
        let place =
            self.places(end, sgl, Access::LocalWrite).map_err(|d| (Status::LocalProtection, d.detail()))?;
        let word = Entry { key, offset: at, length: 8 };
        let word =
            self.places(1 - end, &[word], Access::Atomic).map_err(|d| (Status::RemoteAccess, d.detail()))?;
        if at % 8 != 0 {
            return Err((Status::RemoteInvalidRequest, Detail::Misaligned));
        }
        let bytes: [u8; 8] = std::array::from_fn(|byte| self.ends[1 - end].memory[word[byte]]);
        let old = u64::from_ne_bytes(bytes);
        self.put(1 - end, &word, &change(old).to_ne_bytes());
        self.put(end, &place, &old.to_ne_bytes());
        Ok(8)
    }
}
