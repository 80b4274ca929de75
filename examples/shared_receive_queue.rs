//! One stock of receives for many connections: whoever sends takes the next one.

mod connect;

use connect::connect;
use qpair::ndk::{Completion, CqNotify, Data, MrFlags, OpFlags, QpDescription, Status};
use std::error::Error;

const CLIENTS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    let served = adapter.create_cq(64, CqNotify::Waiters).wait()?;
    let sent = adapter.create_cq(64, CqNotify::None).wait()?;

    // Eight receives of 32 bytes for all connections together.
    let srq = pd.create_srq(8, 1).wait()?;
    let buffers = pd.register(vec![0; 8 * 32], MrFlags::ALLOW_LOCAL_WRITE).wait()?;
    for index in 0..8 {
        srq.receive(index as u64, &[buffers.sge(index * 32..index * 32 + 32)?])?;
    }

    let mut connections = Vec::new();
    for client in 0..CLIENTS {
        let server = QpDescription::new(&served).srq(&srq).context(client as u64);
        let server = pd.create_qp(server).wait()?;
        let client = pd.create_qp(QpDescription::new(&sent).inline_size(32)).wait()?;
        let connectors = connect(&adapter, &client, &server)?;
        connections.push((client, server, connectors));
    }
    for round in 0..2 {
        for (number, (client, ..)) in connections.iter().enumerate() {
            let text = format!("message {round} of client {number}");
            client.send(0, Data::Inline(&[text.as_bytes()]), OpFlags::NONE)?;
        }
    }

    let mut seen = [0; CLIENTS];
    let mut completion = [Completion::default()];
    for _ in 0..2 * CLIENTS {
        served.wait(&mut completion, None)?;
        let [completion] = completion;
        assert_eq!(completion.status, Status::SUCCESS);
        let mut text = vec![0; completion.bytes_transferred as usize];
        buffers.read(completion.request_context as usize * 32, &mut text)?;
        let (text, client) = (String::from_utf8(text)?, completion.qp_context as usize);
        assert_eq!(text, format!("message {} of client {client}", seen[client]));
        println!("receive {}: {text}", completion.request_context);
        seen[client] += 1;
    }
    assert_eq!((seen, srq.len()), ([2; CLIENTS], 2));
    Ok(())
}
