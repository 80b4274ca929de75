//! Random programs on two real queue pairs, against the same calls on plain queues.
//!
//! Every post returns what the model's returns; every queue's completions are the model's, in order and to
//! the last field; so are the bytes of both memories, the counters and the number of notifications.
//! `PROPTEST_CASES` asks for more programs than the usual 256.

mod completions;
mod model;
mod program;

use super::world::{BASE, End, World, connect, pair_with};
use crate::device::connect::messenger::Connectable;
use crate::device::cq::{Cq, CqState};
use crate::device::qp::{Bind, Data, How, Operation, PostRefused};
use crate::memory::{Binding, Mapping, PAGE_SIZE, PageList, Rights};
use crate::work::{Completion, CompletionKind, Key, Sge};
use model::{Model, Names};
use program::{Call, Chosen, DEPTH, Entry, KeyOf, MEMORY, Payload, Setting, Verb, program, setting};
use proptest::prelude::*;
use std::sync::Arc;

const ADAPTER: u32 = 1;
const EVERY: [Rights; 4] =
    [Rights::LOCAL_WRITE, Rights::REMOTE_READ, Rights::REMOTE_WRITE, Rights::REMOTE_ATOMIC];

/// The real thing, and what was polled from it.
struct Real {
    ends: [End; 2],
    names: Names,
    /// All of each end's memory, in logical addresses.
    mappings: [Mapping; 2],
    /// By end: completions of sends, completions of receives.
    polled: [[Vec<Completion>; 2]; 2],
}

impl Real {
    fn new(setting: &Setting) -> Self {
        let (sends, receives) = setting.cq_depths.map_or((4096, None), |(s, r)| (s, Some(r as u32)));
        let (a, b) = pair_with(World {
            memory: MEMORY,
            depth: DEPTH as u32,
            cq_depth: sends as u32,
            receive_cq_depth: receives,
            shared_depth: setting.shared_depth as u32,
            connected: false,
            ..World::default()
        });
        let every = EVERY.into_iter().fold(Rights::NONE, |all, right| all | right);
        let keys = |end: &End| {
            let doomed = end.register(every | Rights::REMOTE_INVALIDATE | Rights::FLUSH_GLOBAL, false);
            let keys = end.device().keys();
            [
                end.key(),
                end.register(Rights::NONE, false),
                end.register(every, true),
                Key(0xdead_be00),
                doomed,
                keys.create_window(end.pd).unwrap(),
                keys.create_fast_register(end.pd, ADAPTER, 2, true).unwrap(),
            ]
        };
        let map = |end: &End| end.device().keys().build_lam(&end.memory, ADAPTER).unwrap();
        let names = Names { qpn: [a.qp.qpn(), b.qp.qpn()], qp_context: 99, keys: [keys(&a), keys(&b)] };
        let mappings = [map(&a), map(&b)];
        let real = Self { ends: [a, b], names, mappings, polled: Default::default() };
        if setting.connected {
            connect(&real.ends[0], &real.ends[1]);
        }
        real
    }

    fn sgl(&self, end: usize, sgl: &[Entry]) -> Vec<Sge> {
        let sge = |entry: &Entry| Sge {
            address: BASE + entry.offset,
            length: entry.length,
            token: self.names.key(end, entry.key),
        };
        sgl.iter().map(sge).collect()
    }

    fn operation(&self, end: usize, verb: Verb) -> Operation {
        let at = |offset: u64, key: KeyOf| (BASE + offset, self.names.key(1 - end, key));
        match verb {
            Verb::Send => Operation::Send,
            Verb::SendWithImmediate(immediate) => Operation::SendWithImmediate(immediate),
            Verb::SendWithInvalidate(key) => Operation::SendWithInvalidate(self.names.key(1 - end, key)),
            Verb::Write { to, key } => {
                let (address, key) = at(to, key);
                Operation::Write { address, key }
            }
            Verb::WriteWithImmediate { to, key, immediate } => {
                let (address, key) = at(to, key);
                Operation::WriteWithImmediate { address, key, immediate }
            }
            Verb::Read { from, key } => {
                let (address, key) = at(from, key);
                Operation::Read { address, key }
            }
            Verb::CompareAndSwap { at: offset, key, compare, swap } => {
                let (address, key) = at(offset, key);
                Operation::CompareAndSwap { address, key, compare, swap }
            }
            Verb::FetchAndAdd { at: offset, key, add } => {
                let (address, key) = at(offset, key);
                Operation::FetchAndAdd { address, key, add }
            }
            Verb::AtomicWrite { at: offset, key, value } => {
                let (address, key) = at(offset, key);
                Operation::AtomicWrite { address, key, value }
            }
            Verb::Flush { from, key, length, placement, selectivity } => {
                let (address, key) = at(from, key);
                Operation::Flush { address, key, length, placement, selectivity }
            }
            Verb::Bind { .. } | Verb::FastRegister { .. } => unreachable!("these carry no data"),
        }
    }

    /// Posts what changes keys of its own end, which the key that comes must be the next of.
    fn post_keys(&self, end: usize, verb: Verb, how: How, chosen: Chosen) -> Result<(), PostRefused> {
        let qp = &self.ends[end].qp;
        let (posted, expected) = match verb {
            Verb::Bind { region, from, length, rights } => {
                let window = self.names.key(end, KeyOf::Window(0));
                let region = self.names.key(end, region.now(end, chosen));
                let rights = Rights::from_bits(rights);
                let binding = Binding { region, address: BASE + from, length, rights };
                let next = KeyOf::Window(chosen[end][0] + 1);
                (qp.post_bind(&Bind { window, binding }, how), next)
            }
            Verb::FastRegister { from, length, rights } => {
                let mapping = &self.mappings[end];
                let pages: Vec<u64> =
                    (0..mapping.count).map(|page| mapping.first_page + u64::from(page) * PAGE_SIZE).collect();
                let list = PageList {
                    pages: &pages,
                    first_byte_offset: mapping.first_byte_offset + from as u32,
                    length,
                    base: BASE + from,
                    rights: Rights::from_bits(rights),
                };
                let home = self.names.key(end, KeyOf::Listed(0));
                (qp.post_fast_register(home, &list, how), KeyOf::Listed(chosen[end][1] + 1))
            }
            _ => unreachable!("only these change keys of their own end"),
        };
        posted.map(|key| assert_eq!(key, self.names.key(end, expected)))
    }

    fn call(&self, context: u64, call: &Call, chosen: Chosen) -> Result<(), PostRefused> {
        match call {
            Call::Post { end, verb, flags, deferred, .. }
                if matches!(verb, Verb::Bind { .. } | Verb::FastRegister { .. }) =>
            {
                let how = How { context, flags: *flags, deferred: *deferred, low: None };
                self.post_keys(*end, *verb, how, chosen)?;
            }
            Call::Post { end, verb, payload, flags, deferred } => {
                let (qp, operation) = (&self.ends[*end].qp, self.operation(*end, *verb));
                match payload {
                    Payload::Sgl(sgl) => {
                        let sgl = self.sgl(*end, sgl);
                        qp.post_send(&operation, Data::Sgl(&sgl), *flags, *deferred, context)?;
                    }
                    Payload::Inline(bytes) => {
                        let (head, tail) = bytes.split_at(bytes.len() / 3);
                        qp.post_send(&operation, Data::Inline(&[head, tail]), *flags, *deferred, context)?;
                    }
                }
            }
            Call::Receive { end, sgl } => {
                self.ends[*end].qp.post_receive(context, &self.sgl(*end, sgl))?;
            }
            Call::SharedReceive { end, sgl } => {
                let srq = self.ends[*end].srq.as_ref().expect("only called where there is one");
                srq.post(context, &self.sgl(*end, sgl))?;
            }
            Call::Poll { .. } => {}
            Call::Arm { end, receives, level } => self.cq(*end, *receives).arm(*level),
            Call::Connect => connect(&self.ends[0], &self.ends[1]),
            Call::Flush(end) => self.ends[*end].qp.flush(),
            Call::Deregister(end) => self.deregister(*end),
            Call::Error(end) => self.ends[*end].qp.error(),
            Call::Disconnect(end) => self.ends[*end].qp.disconnect(|| ()),
            Call::Close(end) => self.ends[*end].qp.close(None),
        }
        Ok(())
    }

    fn deregister(&self, end: usize) {
        let key = self.names.key(end, KeyOf::Doomed);
        if let Some(mut gone) = self.ends[end].device().keys().deregister(key) {
            // The memory has other holders; pins of other tests' threads may be older.
            while let Err(later) = gone.try_finish() {
                gone = later;
                std::thread::yield_now();
            }
        }
    }

    fn cq(&self, end: usize, receives: bool) -> &Arc<Cq> {
        if receives { &self.ends[end].receive_cq } else { &self.ends[end].cq }
    }

    fn poll(&mut self, end: usize, receives: bool, most: usize) -> usize {
        let mut out = vec![Completion::default(); most];
        let count = self.cq(end, receives).poll(&mut out, |completion| *completion);
        for completion in &out[..count] {
            let received = matches!(completion.kind, CompletionKind::Receive | CompletionKind::ReceiveWrite);
            self.polled[end][usize::from(received)].push(*completion);
        }
        count
    }
}

/// The call is possible: it names nothing that is closed or does not exist.
fn is_legal(call: &Call, model: &Model, setting: &Setting) -> bool {
    match call {
        Call::Post { end, .. }
        | Call::Receive { end, .. }
        | Call::Flush(end)
        | Call::Error(end)
        | Call::Disconnect(end)
        | Call::Close(end) => !model.ends[*end].gone,
        Call::SharedReceive { .. } => setting.shared_depth > 0,
        Call::Connect => model.may_connect(),
        Call::Poll { .. } | Call::Arm { .. } | Call::Deregister(_) => true,
    }
}

fn compare(real: &Real, model: &Model) -> Result<(), TestCaseError> {
    for end in 0..2 {
        let mut bytes = vec![0; MEMORY];
        real.ends[end].memory.read(0, &mut bytes).expect("all of it");
        prop_assert!(bytes == model.ends[end].memory, "memory of end {}", end);
        let (counters, expected) = (real.ends[end].qp.counters(), &model.ends[end]);
        prop_assert_eq!((counters.sends_pending, counters.receives_pending), model.pending(end));
        prop_assert_eq!(
            (counters.sends_completed, counters.bytes_out),
            (expected.out.completed, expected.out.bytes)
        );
        prop_assert_eq!(
            (counters.receives_completed, counters.bytes_in),
            (expected.in_.completed, expected.in_.bytes)
        );
        prop_assert_eq!(counters.failed, expected.out.failed + expected.in_.failed);
        let srq = real.ends[end].srq.as_ref();
        prop_assert_eq!(srq.map(|srq| srq.len()), model.shared_len(end));
        for receives in [false, true] {
            let (cq, expected) = (real.cq(end, receives), &model.cqs[model.cq(end, receives)]);
            prop_assert_eq!(cq.len(), expected.len() as u64);
            prop_assert_eq!(cq.state() == CqState::Overrun, expected.is_dead());
            let told = if receives { real.ends[end].receive_notified() } else { real.ends[end].notified() };
            prop_assert_eq!(
                told,
                expected.notifications,
                "notifications of end {}, receives {}",
                end,
                receives
            );
            let came = if receives { &expected.receives } else { &expected.sends };
            let polled = &real.polled[end][usize::from(receives)];
            prop_assert_eq!(
                polled,
                &came[..polled.len().min(came.len())],
                "end {} receives {}",
                end,
                receives
            );
        }
    }
    Ok(())
}

fn poll(
    real: &mut Real,
    model: &mut Model,
    end: usize,
    receives: bool,
    most: usize,
) -> Result<(), TestCaseError> {
    let cq = model.cq(end, receives);
    let expected = model.cqs[cq].poll(most);
    prop_assert_eq!(real.poll(end, receives, most), expected);
    Ok(())
}

fn run(setting: &Setting, program: &[Call]) -> Result<(), TestCaseError> {
    let mut real = Real::new(setting);
    let mut model = Model::new(real.names, setting);
    for end in 0..2 {
        real.ends[end].memory.write(0, &model.ends[end].memory).expect("all of it");
    }
    for (context, call) in program.iter().enumerate() {
        if !is_legal(call, &model, setting) {
            continue;
        }
        if let Call::Poll { end, receives, most } = *call {
            // Of a queue for both, which entries a part of them is depends on an order that is not promised.
            let most = if setting.cq_depths.is_some() { most } else { 4096 };
            poll(&mut real, &mut model, end, receives, most)?;
        }
        let (chosen, call) = (model.chosen(), &call.now(model.chosen()));
        let result = real.call(context as u64, call, chosen);
        prop_assert_eq!(result, model.call(context as u64, call), "call {}", context);
        compare(&real, &model)
            .map_err(|error| TestCaseError::fail(format!("after call {context}, {call:?}: {error}")))?;
    }
    for (end, receives) in [(0, false), (0, true), (1, false), (1, true)] {
        poll(&mut real, &mut model, end, receives, 4096)?;
    }
    compare(&real, &model)?;
    for end in 0..2 {
        for receives in [false, true] {
            let cq = &model.cqs[model.cq(end, receives)];
            let came = if receives { &cq.receives } else { &cq.sends };
            prop_assert_eq!(&real.polled[end][usize::from(receives)], came);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_program_does_what_plain_queues_do(setting in setting(), program in program()) {
        run(&setting, &program)?;
    }
}
