//! Reads a peer's memory without a thread of the peer taking part.

mod connect;

use connect::connect;
use qpair::ndk::{
    Completion, CqNotify, MrFlags, OpFlags, OperationType, QpDescription, RemoteAddress, Status,
};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let cq = adapter.create_cq(16, CqNotify::Waiters).wait()?;
    let (mine, yours) = (adapter.create_pd().wait()?, adapter.create_pd().wait()?);
    let reader = mine.create_qp(QpDescription::new(&cq).initiator_sge(2)).wait()?;
    let owner = yours.create_qp(QpDescription::new(&cq)).wait()?;
    let _connectors = connect(&adapter, &reader, &owner)?;

    // The owner publishes where its memory is; twelve bytes, here handed over directly.
    let library = yours.register(b"queue pairs in user space".to_vec(), MrFlags::ALLOW_REMOTE_READ).wait()?;
    let published = library.remote(0)?.to_bytes();

    // The reader scatters what it reads over two places.
    let shelf = mine.register(vec![0; 64], MrFlags::ALLOW_LOCAL_WRITE).wait()?;
    let remote = RemoteAddress::from_bytes(published);
    reader.read(1, &[shelf.sge(0..11)?, shelf.sge(32..46)?], remote, OpFlags::NONE)?;
    let mut completion = [Completion::default()];
    cq.wait(&mut completion, None)?;
    assert_eq!((completion[0].status, completion[0].kind), (Status::SUCCESS, OperationType::Read));
    let (mut first, mut second) = ([0; 11], [0; 14]);
    shelf.read(0, &mut first)?;
    shelf.read(32, &mut second)?;
    assert_eq!((&first, &second), (b"queue pairs", b" in user space"));

    // A write is another right, which the owner did not give: the request fails, and so does the connection.
    reader.write(2, &shelf.sge(0..11)?, remote, OpFlags::NONE)?;
    cq.wait(&mut completion, None)?;
    assert_eq!(completion[0].status, Status::ACCESS_VIOLATION);
    println!("read {:?}; writing there: {}", String::from_utf8_lossy(&first), completion[0].status);
    Ok(())
}
