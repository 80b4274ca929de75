//! What NDK lacks and a device may have: each works, or is refused by name with the reason.

use crate::rig::{Door, End, PATIENCE, alone};
use qpair::ndk::ext::{
    ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT, ALLOW_REMOTE_INVALIDATE, AdapterExt, CompletionExt, Feature,
    FlushPlacement, QpExt,
};
use qpair::ndk::{Completion, Error, Memory, MrFlags, OpFlags, PostError, Status};

/// The next completion of an end.
fn completion(end: &End) -> Completion {
    let mut completion = [Completion::default()];
    assert_eq!(end.cq.wait(&mut completion, Some(PATIENCE)).expect("the queue works"), 1, "nothing came");
    completion[0]
}

/// The refusal names the device and the feature, and gives a reason.
#[track_caller]
fn names(hint: &str, feature: Feature) {
    let begin = format!("the device {} has no {feature}: ", crate::device());
    assert!(hint.starts_with(&begin) && hint.len() > begin.len() + 20, "{hint}");
    println!("{hint}");
}

/// The request completes, or is refused as the adapter says; whether it completed.
#[track_caller]
fn works(end: &End, has: Result<(), Error>, feature: Feature, posted: Result<(), PostError>) -> bool {
    match (has, posted) {
        (Ok(()), Ok(())) => {
            let done = completion(end);
            assert_eq!((done.status, done.provider_error_code), (Status::SUCCESS, 0), "{feature}");
            assert_eq!(done.is_atomic_write(), feature == Feature::AtomicWrite);
            assert_eq!(done.is_remote_flush(), feature == Feature::Flush);
            println!("{feature} works");
            true
        }
        (Err(error), Err(refused)) => {
            assert_eq!((error.status(), refused.status()), (Status::NOT_SUPPORTED, Status::NOT_SUPPORTED));
            names(error.hint().expect("a reason"), feature);
            assert_eq!(error.hint(), Some(refused.hint()), "{refused}");
            false
        }
        (has, posted) => panic!("{feature}: the adapter says {has:?}, the queue pair {posted:?}"),
    }
}

#[test]
fn flush_and_atomic_write_work_or_say_why_not() {
    let _alone = alone();
    let door = Door::open();
    let pair = door.connect();
    let has = |feature| door.adapter.has(feature);
    let grants = has(Feature::FlushGlobal).is_ok();
    let flushed = if grants { ALLOW_FLUSH_GLOBAL } else { MrFlags::ALLOW_LOCAL_READ };
    let region =
        pair.b.register(Memory::zeroed(4096).expect("a page"), MrFlags::ALLOW_REMOTE_WRITE | flushed);
    let region = region.expect("a region");
    let place = region.remote(64).expect("within the page");
    let qp = &pair.a.qp;

    let posted = qp.atomic_write(1, *b"in one!!", place, OpFlags::NONE);
    if works(&pair.a, has(Feature::AtomicWrite), Feature::AtomicWrite, posted) {
        let mut word = [0; 8];
        region.read(64, &mut word).expect("within the page");
        assert_eq!(&word, b"in one!!");
    }
    // A region that grants no flush is no place to flush: only the refusal is looked at then.
    if grants || has(Feature::Flush).is_err() {
        let posted = qp.flush_remote(2, place, 8, FlushPlacement::GLOBAL, OpFlags::NONE);
        works(&pair.a, has(Feature::Flush), Feature::Flush, posted);
        let posted = qp.flush_remote_region(3, region.remote_token(), FlushPlacement::GLOBAL, OpFlags::NONE);
        works(&pair.a, has(Feature::Flush), Feature::Flush, posted);
    }
    if has(Feature::Flush).is_ok() {
        let none = pair.b.register(Memory::zeroed(64).expect("memory"), MrFlags::ALLOW_REMOTE_WRITE);
        let none = none.expect("a region");
        let place = none.remote(0).expect("within it");
        qp.flush_remote(4, place, 8, FlushPlacement::GLOBAL, OpFlags::NONE)
            .expect("it is judged by the peer");
        assert_eq!(completion(&pair.a).status, Status::ACCESS_VIOLATION, "a flush without the right");
        none.deregister().wait().expect("it is deregistered");
    }
    region.deregister().wait().expect("it is deregistered");
    drop(pair);
    door.close();
}

#[test]
fn regions_are_refused_what_no_device_would_do_for_them() {
    let _alone = alone();
    let door = Door::open();
    let end = End::new(&door.adapter);
    let page = || Memory::zeroed(4096).expect("a page");
    for (flag, feature) in [
        (ALLOW_FLUSH_PERSISTENT, Feature::FlushPersistent), // plain memory, whatever the device can do
        (ALLOW_REMOTE_INVALIDATE, Feature::RemoteInvalidate),
    ] {
        let refused = end.register(page(), MrFlags::ALLOW_REMOTE_WRITE | flag).expect_err("it is refused");
        assert_eq!(refused.status(), Status::NOT_SUPPORTED, "{refused}");
        names(refused.hint().expect("a reason"), feature);
    }
    end.close();
    door.close();
}
