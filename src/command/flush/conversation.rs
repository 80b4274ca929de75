//! What both faces of conversations need: a node with two units, and a program on one of them.

use crate::command::clock::{self, Duration};
use anyhow::{Context, bail};
use qpair::ndk::Adapter;
use qpair::ulp::conversation::{Lu, Node, Options, Pending, TpDefinition};
use std::thread;

/// The program that is invoked, and one that nobody knows.
pub const SERVER: &str = "SERVER";
pub const NOBODY: &str = "NOBODY";

/// Units of one node; `there` has the program [`SERVER`].
pub struct Units {
    pub node: Node,
    pub here: Lu,
    pub there: Lu,
}

impl Units {
    /// Two units of that adapter, which know each other; who asks for an attach does not wait for one.
    pub fn new(device: &str, options: Options) -> anyhow::Result<Self> {
        let adapter = Adapter::open(device)?;
        let mut address = adapter.addresses().first().copied().context("the adapter has no address")?;
        address.set_port(0);
        let options = Options { receive_allocate_limit: Some(Duration::ZERO), ..options };
        let node = Node::with_options(adapter, options)?;
        let here = node.define_lu("HERE", "NET.HERE", address)?;
        let there = node.define_lu("THERE", "NET.THERE", address)?;
        here.define_partner("THERE", "NET.THERE", there.address());
        there.define_partner("HERE", "NET.HERE", here.address());
        there.define_tp(TpDefinition::new(SERVER));
        Ok(Self { node, here, there })
    }
}

/// How long something may take that is promised; within a process nothing takes that long.
const LIMIT: Duration = Duration::from_secs(10);

/// What a verb returns; one that never does is a promise not kept, and no reason to hang.
pub fn returned<T>(verb: &str, mut pending: Pending<T>) -> anyhow::Result<T> {
    let begin = clock::now();
    loop {
        match pending.now() {
            Ok(reply) => return Ok(reply),
            Err(_) if clock::since(begin) > LIMIT => bail!("{verb} has not returned within {LIMIT:?}"),
            Err(still) => pending = still,
        }
        thread::yield_now();
    }
}

/// Asks until there is an answer, or has been none for long.
pub fn soon<T, E>(mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let begin = clock::now();
    loop {
        match ask() {
            Err(_) if clock::since(begin) <= LIMIT => thread::yield_now(),
            answer => return answer,
        }
    }
}

/// A logical record: its length, which counts itself, and the text.
pub fn record(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len() + 2).unwrap_or(u16::MAX).to_be_bytes();
    [&length[..], text.as_bytes()].concat()
}
