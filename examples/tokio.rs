//! Tokio tasks that await completions: an echo server and its clients, a queue pair for each connection.

mod connect;

use connect::connect;
use qpair::ndk::{
    Adapter, Completion, Cq, CqNotify, Memory, Mr, MrFlags, OpFlags, OperationType, Pd, Qp, QpDescription,
    Status,
};
use std::error::Error;

const CLIENTS: u64 = 4;
const MESSAGES: u64 = 1000;

/// One end of a connection: a message goes in and out of the same eight bytes.
struct End {
    qp: Qp,
    cq: Cq,
    memory: Mr,
}

impl End {
    async fn new(adapter: &Adapter, pd: &Pd) -> Result<Self, qpair::ndk::Error> {
        // Whatever may pend is a future.
        let cq = adapter.create_cq(16, CqNotify::Waiters).await?;
        let qp = pd.create_qp(QpDescription::new(&cq)).await?;
        let memory = Memory::zeroed(8).expect("eight bytes");
        let memory = pd.register(memory, MrFlags::ALLOW_LOCAL_WRITE).await?;
        Ok(Self { qp, cq, memory })
    }

    fn receive(&self) {
        self.qp.receive(0, &[self.memory.sge(0..8).expect("inside")]).expect("one at a time");
    }

    fn send(&self, number: u64) {
        self.memory.store_u64(0, number).expect("inside");
        let sgl = [self.memory.sge(0..8).expect("inside")];
        self.qp.send(0, &sgl[..], OpFlags::SILENT_SUCCESS).expect("one at a time");
    }

    /// The next message; the task sleeps until it is there.
    async fn arrival(&self) -> u64 {
        let mut completion = [Completion::default()];
        let taken = self.cq.completions(&mut completion).await.expect("the queue is deep enough");
        assert_eq!((taken, completion[0].status), (1, Status::SUCCESS));
        assert_eq!(completion[0].kind, OperationType::Receive);
        self.memory.load_u64(0).expect("inside")
    }
}

/// Gives its end back: dropped here, it would take the last answer with it, which may not have left yet.
async fn serve(end: End) -> End {
    for _ in 0..MESSAGES {
        let number = end.arrival().await;
        end.receive();
        end.send(number + 1);
    }
    end
}

async fn ask(end: End, client: u64) -> u64 {
    let mut number = client;
    for _ in 0..MESSAGES {
        end.receive();
        end.send(number);
        number = end.arrival().await;
    }
    number
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let pd = adapter.create_pd().await?;
    let (mut clients, mut servers, mut connectors) = (Vec::new(), Vec::new(), Vec::new());
    for client in 0..CLIENTS {
        let (near, far) = (End::new(&adapter, &pd).await?, End::new(&adapter, &pd).await?);
        far.receive();
        connectors.push(connect(&adapter, &near.qp, &far.qp)?);
        servers.push(tokio::spawn(serve(far)));
        clients.push(tokio::spawn(ask(near, client)));
    }
    for (client, task) in (0..).zip(clients) {
        assert_eq!(task.await?, client + MESSAGES, "each answer is one more than its question");
    }
    for task in servers {
        drop(task.await?);
    }
    println!("{CLIENTS} clients had {MESSAGES} answers each");
    Ok(())
}
