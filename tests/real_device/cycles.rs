//! What was created and closed leaves nothing behind.

use super::rig::{Door, Pair, alone, open_files, resources, rounds};
use qpair::ndk::{Completion, Data, OpFlags, Status};

#[test]
fn cycles_of_create_connect_and_close_leave_nothing() {
    let _alone = alone();
    let (files_at_first, at_first) = (open_files(), resources());
    let door = Door::open();
    cycle(&door); // what libraries keep for good, they have from now on
    let (files, held) = (open_files(), resources());
    for _ in 0..rounds(20) {
        cycle(&door);
    }
    assert_eq!((open_files(), resources()), (files, held), "after all cycles");
    door.close();
    assert_eq!(resources(), at_first, "after the adapter's close");
    assert!(open_files() <= files_at_first + 4, "{files_at_first} files at first, {} now", open_files());
}

/// Connects, sends a message, parts, and closes everything.
fn cycle(door: &Door) {
    let Pair { a, b, active, passive } = door.connect();
    b.qp.receive(1, &[b.sge()]).expect("a receive");
    a.qp.send(2, Data::Sgl(&[a.sge()]), OpFlags::NONE).expect("a send");
    for end in [&a, &b] {
        let mut completion = [Completion::default()];
        assert_eq!(end.cq.wait(&mut completion, Some(super::rig::PATIENCE)).expect("a completion"), 1);
        assert_eq!(completion[0].status, Status::SUCCESS);
    }
    let parting = [active.disconnect(), passive.disconnect()];
    parting.into_iter().for_each(|parting| parting.wait().expect("both part"));
    let closing = [active.close(), passive.close()];
    closing.into_iter().for_each(|closing| closing.wait().expect("a connector closes"));
    a.close();
    b.close();
}
