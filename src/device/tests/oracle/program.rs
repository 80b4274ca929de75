//! Programs for two queue pairs: what may be called, as plain data that proptest makes and shrinks.

use crate::ring::ArmLevel;
use crate::work::{FlushPlacement, RequestFlags, Selectivity};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes of each end's memory.
pub(super) const MEMORY: usize = 256;
pub(super) const DEPTH: usize = 8;
pub(super) const SGE: usize = 4;
pub(super) const INLINE: usize = 64;

/// One of the keys that every end has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOf {
    /// With every right but remote invalidation.
    Whole,
    /// Local read only.
    ReadOnly,
    /// Of another protection domain.
    Foreign,
    /// Never given out.
    Unknown,
    /// With every right that memory without storage can have; programs invalidate and deregister it.
    Doomed,
    /// The window's, after so many binds were posted.
    Window(u8),
    /// The fast-register region's, after so many registrations were posted.
    Listed(u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: KeyOf,
    pub(super) offset: u64,
    pub(super) length: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Send,
    SendWithImmediate(u32),
    SendWithInvalidate(KeyOf),
    Write {
        to: u64,
        key: KeyOf,
    },
    WriteWithImmediate {
        to: u64,
        key: KeyOf,
        immediate: u32,
    },
    Read {
        from: u64,
        key: KeyOf,
    },
    CompareAndSwap {
        at: u64,
        key: KeyOf,
        compare: u64,
        swap: u64,
    },
    FetchAndAdd {
        at: u64,
        key: KeyOf,
        add: u64,
    },
    AtomicWrite {
        at: u64,
        key: KeyOf,
        value: u64,
    },
    Flush {
        from: u64,
        key: KeyOf,
        length: u32,
        placement: FlushPlacement,
        selectivity: Selectivity,
    },
    /// Of the end's one window.
    Bind {
        region: KeyOf,
        from: u64,
        length: u64,
        rights: u8,
    },
    /// Of the end's one fast-register region, to a part of its memory.
    FastRegister {
        from: u64,
        length: u64,
        rights: u8,
    },
}

/// Binds and registrations that each end has posted: what their keys are by now.
pub(super) type Chosen = [[u8; 2]; 2];

impl KeyOf {
    /// The key as it is called when a request with it is posted.
    pub(super) fn now(self, end: usize, chosen: Chosen) -> Self {
        match self {
            Self::Window(_) => Self::Window(chosen[end][0]),
            Self::Listed(_) => Self::Listed(chosen[end][1]),
            other => other,
        }
    }
}

impl Call {
    /// The call with the keys of windows and registrations as they are now.
    pub(super) fn now(&self, chosen: Chosen) -> Self {
        let mut call = self.clone();
        match &mut call {
            Self::Post { end, verb, payload, .. } => {
                match verb {
                    Verb::Send
                    | Verb::SendWithImmediate(_)
                    | Verb::Bind { .. }
                    | Verb::FastRegister { .. } => {}
                    Verb::SendWithInvalidate(key)
                    | Verb::Write { key, .. }
                    | Verb::WriteWithImmediate { key, .. }
                    | Verb::Read { key, .. }
                    | Verb::CompareAndSwap { key, .. }
                    | Verb::FetchAndAdd { key, .. }
                    | Verb::AtomicWrite { key, .. }
                    | Verb::Flush { key, .. } => *key = key.now(1 - *end, chosen),
                }
                if let Payload::Sgl(sgl) = payload {
                    sgl.iter_mut().for_each(|entry| entry.key = entry.key.now(*end, chosen));
                }
            }
            Self::Receive { end, sgl } | Self::SharedReceive { end, sgl } => {
                sgl.iter_mut().for_each(|entry| entry.key = entry.key.now(*end, chosen));
            }
            _ => {}
        }
        call
    }
}

#[derive(Clone, Debug)]
pub(super) enum Payload {
    Sgl(Vec<Entry>),
    Inline(Vec<u8>),
}

/// One call; ends are numbered 0 and 1.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Post {
        end: usize,
        verb: Verb,
        payload: Payload,
        flags: RequestFlags,
        deferred: bool,
    },
    Receive {
        end: usize,
        sgl: Vec<Entry>,
    },
    /// To the shared queue of that end, if it has one.
    SharedReceive {
        end: usize,
        sgl: Vec<Entry>,
    },
    Poll {
        end: usize,
        receives: bool,
        most: usize,
    },
    Arm {
        end: usize,
        receives: bool,
        level: ArmLevel,
    },
    Connect,
    Flush(usize),
    Deregister(usize),
    Error(usize),
    Disconnect(usize),
    Close(usize),
}

/// The objects that a program works on.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) connected: bool,
    /// Receives that each end's shared queue holds; 0: there are none.
    pub(super) shared_depth: usize,
    /// Depths of the completion queues for sends and receives; `None`: one queue for both, which never
    /// overruns.
    pub(super) cq_depths: Option<(usize, usize)>,
}

fn key() -> impl Strategy<Value = KeyOf> {
    prop_oneof![
        60 => Just(KeyOf::Whole),
        6 => Just(KeyOf::Doomed),
        1 => Just(KeyOf::ReadOnly),
        1 => Just(KeyOf::Foreign),
        1 => Just(KeyOf::Unknown),
        6 => Just(KeyOf::Window(0)),
        6 => Just(KeyOf::Listed(0)),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let length = prop_oneof![2 => Just(0u32), 1 => Just(8), 10 => 0u32..60];
    let offset = prop_oneof![40 => 0u64..=(MEMORY as u64 - 60), 1 => 0..MEMORY as u64 + 9];
    (key(), offset, length).prop_map(|(key, offset, length)| Entry { key, offset, length })
}

fn sgl() -> impl Strategy<Value = Vec<Entry>> {
    prop_oneof![40 => vec(entry(), 0..=SGE), 1 => vec(entry(), SGE + 1)]
}

/// A receive that most messages fit into.
fn wide_sgl() -> impl Strategy<Value = Vec<Entry>> {
    let wide = (key(), 0u64..16).prop_map(|(key, offset)| vec![Entry { key, offset, length: 240 }]);
    prop_oneof![4 => wide, 3 => sgl()]
}

fn remote() -> impl Strategy<Value = (u64, KeyOf)> {
    (prop_oneof![20 => 0u64..64, 1 => 0..MEMORY as u64 + 9], key())
}

fn word() -> impl Strategy<Value = (u64, KeyOf)> {
    (prop_oneof![20 => (0u64..4).prop_map(|word| word * 8), 1 => 0u64..30], key())
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        4 => sgl().prop_map(Payload::Sgl),
        1 => vec(any::<u8>(), 0..=INLINE + 2).prop_map(Payload::Inline),
    ]
}

fn word_payload() -> impl Strategy<Value = Payload> {
    let eight = (key(), 0u64..200).prop_map(|(key, offset)| vec![Entry { key, offset, length: 8 }]);
    prop_oneof![20 => eight.prop_map(Payload::Sgl), 1 => payload()]
}

fn request() -> impl Strategy<Value = (Verb, Payload)> {
    let write = remote().prop_map(|(to, key)| Verb::Write { to, key });
    let immediate = (remote(), any::<u32>()).prop_map(|((to, key), immediate)| Verb::WriteWithImmediate {
        to,
        key,
        immediate,
    });
    let read = remote().prop_map(|(from, key)| Verb::Read { from, key });
    let swap = (word(), 0u64..3, any::<u64>()).prop_map(|((at, key), compare, swap)| Verb::CompareAndSwap {
        at,
        key,
        compare,
        swap,
    });
    let add = (word(), any::<u64>()).prop_map(|((at, key), add)| Verb::FetchAndAdd { at, key, add });
    let store = (word(), any::<u64>()).prop_map(|((at, key), value)| Verb::AtomicWrite { at, key, value });
    let named = prop_oneof![
        6 => Just(KeyOf::Doomed), 6 => Just(KeyOf::Window(0)), 6 => Just(KeyOf::Listed(0)), 1 => key(),
    ];
    let invalidate = named.prop_map(Verb::SendWithInvalidate);
    // Rights as bits: remote read and write, and local write where it means something.
    let part = || (prop_oneof![4 => Just(0u64), 1 => 0..MEMORY as u64], 0u64..=MEMORY as u64);
    let window_rights = prop_oneof![3 => Just(6u8), 1 => Just(2), 1 => Just(4), 1 => Just(0)];
    let list_rights = prop_oneof![3 => Just(7u8), 1 => Just(1), 1 => Just(3), 1 => Just(0)];
    let bind = (key(), part(), window_rights).prop_map(|(region, (from, length), rights)| Verb::Bind {
        region,
        from,
        length,
        rights,
    });
    let register = (part(), list_rights).prop_map(|((from, length), rights)| Verb::FastRegister {
        from,
        length,
        rights,
    });
    let nothing = || Just(Payload::Sgl(Vec::new()));
    prop_oneof![
        8 => (Just(Verb::Send), payload()),
        2 => (any::<u32>().prop_map(Verb::SendWithImmediate), payload()),
        3 => (invalidate, payload()),
        2 => (bind, nothing()),
        2 => (register, nothing()),
        4 => (write, payload()),
        2 => (immediate, payload()),
        3 => (read, payload()),
        1 => (swap, word_payload()),
        1 => (add, word_payload()),
        1 => (store, nothing()),
        2 => (flush(), nothing()),
    ]
}

/// Mostly to global visibility, of what grants that.
fn flush() -> impl Strategy<Value = Verb> {
    let key = prop_oneof![4 => Just(KeyOf::Doomed), 1 => key()];
    let placement = prop_oneof![
        8 => Just(FlushPlacement::GLOBAL),
        1 => Just(FlushPlacement::PERSISTENT),
        1 => Just(FlushPlacement::GLOBAL | FlushPlacement::PERSISTENT),
        1 => Just(FlushPlacement(0)),
    ];
    let selectivity = prop_oneof![3 => Just(Selectivity::Range), 1 => Just(Selectivity::Region)];
    (remote(), key, 0u32..60, placement, selectivity).prop_map(
        |((from, _), key, length, placement, selectivity)| Verb::Flush {
            from,
            key,
            length,
            placement,
            selectivity,
        },
    )
}

fn flags() -> impl Strategy<Value = RequestFlags> {
    (0u8..8).prop_map(RequestFlags)
}

fn call() -> impl Strategy<Value = Call> {
    let end = 0usize..2;
    let post = (end.clone(), request(), flags(), prop::bool::weighted(0.25)).prop_map(
        |(end, (verb, payload), flags, deferred)| Call::Post { end, verb, payload, flags, deferred },
    );
    let level = prop_oneof![
        1 => Just(ArmLevel::Errors),
        2 => Just(ArmLevel::Solicited),
        2 => Just(ArmLevel::Any),
    ];
    prop_oneof![
        60 => post,
        30 => (end.clone(), wide_sgl()).prop_map(|(end, sgl)| Call::Receive { end, sgl }),
        25 => (end.clone(), wide_sgl()).prop_map(|(end, sgl)| Call::SharedReceive { end, sgl }),
        20 => (end.clone(), any::<bool>(), 0usize..6)
            .prop_map(|(end, receives, most)| Call::Poll { end, receives, most }),
        20 => (end.clone(), any::<bool>(), level)
            .prop_map(|(end, receives, level)| Call::Arm { end, receives, level }),
        4 => Just(Call::Connect),
        5 => end.clone().prop_map(Call::Flush),
        1 => end.clone().prop_map(Call::Deregister),
        1 => end.clone().prop_map(Call::Error),
        1 => end.clone().prop_map(Call::Disconnect),
        1 => end.prop_map(Call::Close),
    ]
}

pub(super) fn setting() -> impl Strategy<Value = Setting> {
    let depth = || prop_oneof![1 => Just(2usize), 1 => Just(5), 4 => Just(1024)];
    let shared_depth = prop_oneof![2 => Just(0usize), 1 => Just(3), 1 => Just(DEPTH)];
    (prop::bool::weighted(0.9), shared_depth, proptest::option::of((depth(), depth())))
        .prop_map(|(connected, shared_depth, cq_depths)| Setting { connected, shared_depth, cq_depths })
}

pub(super) fn program() -> impl Strategy<Value = Vec<Call>> {
    vec(call(), 1..80)
}
