//! The NDK face: the object model of Windows Network Direct Kernel, in Rust and in user space.
//!
//! Names, numbers and statuses are NDK's; what it leaves open follows the rulings of the conformance
//! statements. Whatever may pend returns a [`Request`], the one asynchronous form. A failed call says which
//! argument was wrong, what the limit is and what to do: [`Error`], and [`PostError`] for the calls that
//! post work.
//!
//! May come in: the handles (adapter, protection domain, queue pair and so on), their descriptions, the
//! translation of names, flags, statuses and lifetimes between a user and the device. Not here: protocol
//! logic, rings, keys, progress (device and below), and what verbs has and NDK lacks (`ext`).

mod adapter;
mod bind;
mod completion;
mod connector;
mod cq;
mod data;
mod error;
pub mod ext;
mod fast_register;
pub mod faults;
mod flags;
mod handle;
mod info;
mod lam;
mod limits;
mod listener;
mod mr;
mod mw;
mod options;
mod pd;
mod post;
mod qp;
mod raw_mr;
mod request;
mod scope;
mod shared_endpoint;
mod srq;
mod status;
mod version;

pub use crate::cm::ReadLimits;
pub use crate::fabric::clock::ManualClock;
pub use crate::memory::{Memory, MemoryError};
pub use crate::work::{Key as Token, Sge};
pub use adapter::Adapter;
pub use bind::Invalidate;
pub use completion::Completion;
pub use connector::{ConnectionData, ConnectionDataSize, Connector, OnDisconnect};
pub use cq::{Cq, CqCounters, CqError, CqEvent, CqNotify};
pub use data::Data;
pub use error::{Error, PostCall, PostError};
pub use fast_register::{FastRegister, FastRegisterMr};
pub use faults::{Faults, Fired, FiredFault, HoldCalls, Injection, When, WorkQueue};
pub use flags::{AdapterFlags, MrFlags, NotifyType, OpFlags, OperationType};
pub use info::{AdapterInfo, RdmaTechnology};
pub use lam::Lam;
pub use limits::AdapterLimits;
pub use listener::Listener;
pub use mr::{Mr, RemoteAddress};
pub use mw::Mw;
pub use options::{AdapterOptions, Clock, Timeouts};
pub use pd::Pd;
pub use qp::{Qp, QpCounters, QpDescription};
pub use raw_mr::RawMr;
pub use request::Request;
pub use scope::{Scope, ScopedMr};
pub use shared_endpoint::SharedEndpoint;
pub use srq::{Srq, SrqDescription, SrqEvent};
pub use status::Status;
pub use version::{ExtensionInterface, Guid, NdkObject, NdkVersion, ObjectHeader, ObjectType};
