//! Any program of calls gives the file that a plain model gives, on a disk that is full at times.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Write(Vec<u8>),
    Seek(i64),
    SeekEnd(i64),
    Flush(bool),
    SetBuffer(usize),
    Advance(bool),
    /// The disk takes so many bytes; `None`: any number.
    Disk(Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40usize).prop_map(Step::Read),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Write),
        (0..80i64).prop_map(Step::Seek),
        (0..40i64).prop_map(Step::SeekEnd),
        any::<bool>().prop_map(Step::Flush),
        (0..24usize).prop_map(Step::SetBuffer),
        any::<bool>().prop_map(Step::Advance),
        prop::option::of(0..60usize).prop_map(Step::Disk),
    ]
}

/// A file without a buffer, which never fails.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    position: usize,
}

impl Model {
    fn write(&mut self, from: &[u8]) {
        let end = self.position + from.len();
        if self.bytes.len() < end && !from.is_empty() {
            self.bytes.resize(end, 0);
        }
        if !from.is_empty() {
            self.bytes[self.position..end].copy_from_slice(from);
        }
        self.position = end;
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let read = rest[..count.min(rest.len())].to_vec();
        self.position += read.len();
        read
    }
}

fn apply(file: &mut Mmio, disk: &Disk, model: &mut Model, step: Step) {
    match step {
        Step::Read(count) => {
            let mut bytes = vec![0; count];
            // A dirty buffer on a full disk keeps a read from going on: what came is right.
            if let Ok(got) = file.read(&mut bytes) {
                assert_eq!(bytes[..got], model.read(got));
            }
        }
        Step::Write(from) => {
            if let Ok(count) = file.write(&from) {
                model.write(&from[..count]);
            }
        }
        Step::Seek(to) => {
            if let Ok(at) = file.seek(to, Origin::Start) {
                assert_eq!(at, to);
                model.position = to as usize;
            }
        }
        Step::SeekEnd(back) => {
            if let Ok(at) = file.seek(back, Origin::End) {
                assert_eq!(at, model.bytes.len() as i64 - back);
                model.position = at as usize;
            }
        }
        Step::Flush(empty) => {
            if file.flush(if empty { Flush::Empty } else { Flush::Keep }).is_ok() {
                assert_eq!(disk.bytes(), model.bytes);
            }
        }
        Step::SetBuffer(size) => {
            let _on_a_full_disk_it_stays = file.set_buffer(Buffer::Own(size));
        }
        Step::Advance(write) => {
            let to = if write { Advance::Write } else { Advance::Read };
            if file.advance(None, to).is_ok() {
                model.position = file.position() as usize;
            }
        }
        Step::Disk(size) => disk.content().size = size,
    }
    assert_eq!(file.position(), model.position as i64);
}

proptest! {
    #[test]
    fn any_program_gives_the_file_of_the_model(
        buffer in 0..24usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (disk, mut model) = (Disk::default(), Model::default());
        let mut file = on_disk(&disk, buffer);
        for step in steps {
            apply(&mut file, &disk, &mut model, step);
        }
        disk.content().size = None;
        file.close(false).unwrap();
        prop_assert_eq!(disk.bytes(), model.bytes);
    }
}
