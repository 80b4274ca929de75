//! Four ways to hear of a completion: poll, arm and be called, block, await.

use qpair::ndk::{Adapter, Completion, CqNotify, NotifyType, Qp, QpDescription, Status};
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Something to complete: a receive that is posted and flushed.
fn happen(qp: &Qp, context: u64) -> Result<(), Box<dyn Error>> {
    qp.receive(context, &[])?;
    qp.flush();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = std::env::args().skip_while(|argument| argument != "--device").nth(1);
    let adapter = Adapter::open(device.as_deref().unwrap_or("local"))?;
    let pd = adapter.create_pd().wait()?;

    // A callback. The first arm is satisfied by the first of two entries, and the callback takes both.
    let (tell, told) = mpsc::channel();
    let notify = CqNotify::callback(move |event| {
        let mut completions = [Completion::default(); 4];
        let count = event.poll(&mut completions);
        event.arm(NotifyType::Any);
        tell.send(count).expect("main listens");
    });
    let cq = adapter.create_cq(8, notify).wait()?;
    let qp = pd.create_qp(QpDescription::new(&cq)).wait()?;
    happen(&qp, 1)?;
    happen(&qp, 2)?;
    assert!(told.try_recv().is_err(), "not armed, not called");
    cq.arm(NotifyType::Any);
    assert_eq!(told.recv()?, 2);
    happen(&qp, 3)?;
    assert_eq!(told.recv()?, 1);
    println!("the callback took 2, armed again, and took 1");

    // A thread that blocks, and a task that awaits.
    let cq = adapter.create_cq(8, CqNotify::Waiters).wait()?;
    let qp = pd.create_qp(QpDescription::new(&cq)).wait()?;
    let mut completion = [Completion::default()];
    assert_eq!(cq.poll(&mut completion), 0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| cq.wait(&mut completion, None));
        happen(&qp, 4).expect("a receive can be posted");
        assert_eq!(waiter.join().expect("the waiter does not panic"), Ok(1));
    });
    assert_eq!((completion[0].request_context, completion[0].status), (4, Status::CANCELLED));
    let mut later = [Completion::default()];
    thread::scope(|scope| {
        let task = scope.spawn(|| block_on(cq.completions(&mut later)));
        happen(&qp, 5).expect("a receive can be posted");
        assert_eq!(task.join().expect("the task does not panic"), Ok(1));
    });
    assert_eq!(later[0].request_context, 5);
    println!("a thread waited for receive 4, a task for receive 5");
    Ok(())
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor; any other will do.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
