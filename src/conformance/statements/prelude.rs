//! What the files of statements have in common: names, not behaviour.

pub(super) use crate::conformance::bench::{
    Bench, Ended, PATIENCE, all, comes, cq, ends_of, failed, joined, notes, polls, refused, take, yields,
};
pub(super) use crate::conformance::statement::Mark::{
    Documented as D, DocumentedAndTested as DT, Inferred as I, Tested as T,
};
pub(super) use crate::conformance::statement::{Outcome, Statement, ensure, ensure_eq, lacks, wrong};
pub(super) use crate::conformance::world::{
    ALL, Asked, Door, End, NONE, Noted, Pair, Plan, READS, SIZE, connect, connect_at, connect_with,
    connector, heard_at, home, ignore, later, listen, listen_at, refused_at, zeroed,
};
pub(super) use crate::ndk::{
    Adapter, AdapterFlags, Completion, Connector, Cq, CqNotify, Data, MrFlags, NotifyType, OnDisconnect,
    OpFlags, OperationType, Qp, QpDescription, ReadLimits, RemoteAddress, Sge, Status, Token,
};
