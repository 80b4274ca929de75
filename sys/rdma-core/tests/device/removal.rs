//! A device that goes away while it is in use. Takes soft-RoCE's link away and makes it again, so it runs
//! alone, as root, and on soft-RoCE over eth0 only.

#[allow(dead_code)] // shared with the other tests, which use more of it
mod rig;

use std::net::SocketAddr;
use std::process::Command;

use qpair_rdma_core::cm::{EventChannel, EventKind};
use qpair_rdma_core::{AsyncEventKind, Context, Status};
use rig::{Pair, expect, next_event, to_error};

/// What a backend can rely on: an id that is bound to the device is told, every pending request can be
/// flushed, and once everything is dropped the removal goes through.
#[test]
fn a_removal_is_told_to_bound_ids_and_waits_for_the_context() {
    let context = rig::device();
    let name = context.name();
    let pair = Pair::new(&context, true);
    let watch = EventChannel::new().unwrap();
    let watcher = watch.create_id().unwrap();
    watcher.bind(SocketAddr::new(rig::address(&context), 0)).unwrap();
    pair.passive.qp.post_receive(1, &[]).unwrap();

    let mut removal =
        Command::new("rdma").args(["link", "del", &name]).spawn().expect("rdma of iproute2 runs");
    expect(&watch, EventKind::DeviceRemoval, watcher.key());
    // Of two ends on one device, the first that goes may disconnect the other before that one is told.
    let mut waiting = vec![pair.active_id.key(), pair.passive_id.key()];
    while !waiting.is_empty() {
        let event = next_event(&pair.events);
        match event.kind {
            EventKind::DeviceRemoval => waiting.retain(|id| *id != event.id),
            other => assert_eq!(other, EventKind::Disconnected),
        }
    }

    to_error(&pair.passive.qp);
    assert_eq!(pair.passive.take(1)[0].status, Status::Flushed);
    // Soft-RoCE says nothing here; devices that can be unplugged do.
    let event = context.next_async_event().unwrap().map(|event| event.kind);
    assert!(matches!(event, None | Some(AsyncEventKind::DeviceFatal)), "{event:?}");
    assert!(removal.try_wait().unwrap().is_none(), "the removal waits for the context");
    drop((pair, watcher));
    drop(context);
    assert!(removal.wait().unwrap().success());

    assert!(Context::open(&name).is_err());
    let link = ["link", "add", &name, "type", "rxe", "netdev", "eth0"];
    assert!(Command::new("rdma").args(link).status().unwrap().success());
    Pair::new(&rig::device(), true);
}
