//! How an adapter is opened, and how two queue pairs of it come to be connected, for the examples that are
//! about something else.

use qpair::ndk::{Adapter, Connector, OnDisconnect, Qp, ReadLimits};
use std::error::Error;
use std::sync::mpsc;

/// Opens the adapter that `--device NAME` names, else that of this process.
pub fn open() -> Result<Adapter, Box<dyn Error>> {
    let name = std::env::args().skip_while(|argument| argument != "--device").nth(1);
    Ok(Adapter::open(name.as_deref().unwrap_or("local"))?)
}

/// Connects two queue pairs of one adapter: three legs, the active side drives the third.
pub fn connect(
    adapter: &Adapter,
    active: &Qp,
    passive: &Qp,
) -> Result<(Connector, Connector), Box<dyn Error>> {
    let (arrived, arrivals) = mpsc::channel();
    let listener = adapter
        .create_listener(move |connector| arrived.send(connector).expect("the caller waits for it"))
        .wait()?;
    listener.listen(adapter.addresses()[0]).wait()?;
    let limits = ReadLimits { inbound: 1, outbound: 1 };
    let from = adapter.create_connector().wait()?;
    let asked = from.connect(active, adapter.addresses()[0], listener.local_address()?, limits, b"");
    let to = arrivals.recv()?;
    let accepted = to.accept(passive, limits, b"", OnDisconnect::ignore());
    asked.wait()?;
    from.complete_connect(OnDisconnect::ignore()).wait()?;
    accepted.wait()?;
    Ok((from, to))
}
