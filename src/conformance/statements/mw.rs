//! MW-*: memory windows.

use super::not_yet;
use super::prelude::*;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("MW-1", D, "an unbound window gives no access", not_yet),
    Statement::new("MW-2", D, "its token is there when the bind has returned", not_yet),
    Statement::new("MW-3", D, "remote write on a region without local write is ACCESS_VIOLATION", not_yet),
    Statement::new("MW-4", T, "a write through a window for reads fails and ends the connection", not_yet),
    Statement::new("MW-5", D, "an invalidated window can be bound again, elsewhere", not_yet),
    Statement::new("MW-6", D, "a window gives access to the peer of its queue pair only", not_yet),
    Statement::new("MW-7", D, "windows that overlap each grant their own rights", not_yet),
    Statement::new("MW-8", D, "invalidating an unbound window is INVALID_DEVICE_REQUEST", not_yet),
    Statement::new("MW-9", D, "an invalidation fails the transfer that runs through the window", not_yet),
    Statement::new("MW-10", T, "a bind without any right succeeds", not_yet),
    Statement::new("MW-11", D, "a bind beyond the region fails", not_yet),
    Statement::new("MW-12", I, "a bind of a bound window is INVALID_DEVICE_REQUEST", not_yet),
];
