//! A write that tells the peer where to look: data by RDMA, 32 bits into the peer's completion.

mod connect;

use connect::connect;
use qpair::ndk::ext::{CompletionExt, QpExt};
use qpair::ndk::{Completion, CqNotify, MrFlags, OpFlags, QpDescription, Status};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    let (here, there) =
        (adapter.create_cq(16, CqNotify::None).wait()?, adapter.create_cq(16, CqNotify::Waiters).wait()?);
    let writer = pd.create_qp(QpDescription::new(&here)).wait()?;
    let owner = pd.create_qp(QpDescription::new(&there)).wait()?;
    let _connectors = connect(&adapter, &writer, &owner)?;

    let table = pd.register(vec![0; 4096], MrFlags::ALLOW_REMOTE_WRITE).wait()?;
    let news = pd.register(b"row 7 has changed".to_vec(), MrFlags::ALLOW_LOCAL_READ).wait()?;

    // The immediate consumes a receive; the data does not go there, so it needs no entries.
    owner.receive(1, &[])?;
    writer.write_with_immediate(2, &news.sge(0..17)?, table.remote(7 * 64)?, 7, OpFlags::NONE)?;

    let mut completion = [Completion::default()];
    there.wait(&mut completion, None)?;
    let [completion] = completion;
    assert_eq!((completion.status, completion.bytes_transferred), (Status::SUCCESS, 17));
    let row = completion.immediate().expect("the message carried 32 bits") as usize;
    let mut text = [0; 17];
    table.read(row * 64, &mut text)?;
    assert_eq!((row, &text), (7, b"row 7 has changed"));
    println!("told to look at row {row}, found: {}", String::from_utf8_lossy(&text));
    Ok(())
}
