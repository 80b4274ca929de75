//! The NDK face from outside, where it is more than the numbered statements: what refusals tell, waiting,
//! lent memory, what verbs has and NDK lacks. The statements themselves are held in `tests/conformance.rs`.
//!
//! Each test opens a NET of its own, so all of them run in parallel. Nothing sleeps: what is awaited is the
//! event itself, with a limit that only a bug can reach. One program, since its helpers are shared by all.

#[path = "ndk/adapter.rs"]
mod adapter;
#[path = "ndk/bad_input.rs"]
mod bad_input;
#[path = "ndk/closing.rs"]
mod closing;
#[path = "ndk/connections.rs"]
mod connections;
#[path = "ndk/cq.rs"]
mod cq;
#[path = "ndk/cq_control.rs"]
mod cq_control;
#[path = "ndk/device_faults.rs"]
mod device_faults;
#[path = "ndk/ext.rs"]
mod ext;
#[path = "ndk/fast_register.rs"]
mod fast_register;
#[path = "ndk/fault_keys.rs"]
mod fault_keys;
#[path = "ndk/faults.rs"]
mod faults;
#[path = "ndk/handshakes.rs"]
mod handshakes;
#[path = "ndk/lifetimes.rs"]
mod lifetimes;
#[path = "ndk/listeners.rs"]
mod listeners;
#[path = "ndk/memory.rs"]
mod memory;
#[cfg(all(feature = "storage", unix))]
#[path = "ndk/persistence.rs"]
mod persistence;
#[path = "ndk/posting.rs"]
mod posting;
#[path = "ndk/shared_endpoints.rs"]
mod shared_endpoints;
#[path = "ndk/srq.rs"]
mod srq;
#[path = "ndk/srq_control.rs"]
mod srq_control;
#[path = "ndk/windows.rs"]
mod windows;
#[path = "ndk/world.rs"]
mod world;
