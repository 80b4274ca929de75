//! Workloads that weigh qpair against its named peers, and the rounds in which they are weighed.
//!
//! A figure says something only beside its floor and its peers in the same round: machines change within a
//! minute. So a workload is a [`Group`](rounds::Group) of contenders, the first of which is the base; each
//! round measures every contender of every group, and what is reported is the median of the rounds' ratios.
//! The same workloads run under criterion, item by item, for who compares two commits on one quiet machine.
//!
//! - [`timing`]: the clock, the cores, and two threads that start together;
//! - [`floor`]: what the machine itself takes: a cache line to and fro, a `memcpy`;
//! - [`rings`]: qpair's rings, rtrb and crossbeam's `ArrayQueue` as one kind of thing;
//! - [`pairs`]: queue pairs through the NDK face, few and many;
//! - [`log`], [`file`](mod@file): what is made stable, what goes through a buffer, against plain calls;
//! - [`memory`], [`lines`]: bytes per queue pair, cache lines and instructions per message;
//! - [`rounds`]: groups, rounds, medians and quartiles.
//!
//! May come in: workloads and peers. Not here: promises, which are the documentation's, and tests of
//! behaviour.

pub mod file;
pub mod floor;
pub mod lines;
pub mod log;
pub mod memory;
pub mod pairs;
pub mod rings;
pub mod rounds;
pub mod timing;
