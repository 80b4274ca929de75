//! A conversation between an APPC program and a CPI-C program: nothing arrives before the flush.

use qpair::ndk::Adapter;
use qpair::ulp::conversation::appc::{Allocate, Appc, Deallocate, ReceiveArguments, SendType};
use qpair::ulp::conversation::cpic::{Program, codes};
use qpair::ulp::conversation::{Node, Options, TpDefinition};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let device = std::env::args().skip_while(|argument| argument != "--device").nth(1);
    let adapter = Adapter::open(device.as_deref().unwrap_or("local/conversation"))?;
    let address = adapter.addresses()[0];
    // Who asks for an attach does not wait for one here, so that it shows that there is none.
    let options = Options { receive_allocate_limit: Some(Duration::ZERO), ..Options::default() };
    let node = Node::with_options(adapter, options)?;
    let lu = node.define_lu("HERE", "NET.HERE", address)?;
    lu.define_partner("HERE", "NET.HERE", lu.address());
    lu.define_tp(TpDefinition::new("SERVER"));

    let appc = Appc::new(&node);
    let server = Program::new(&lu, &["SERVER"]);
    let asks = Allocate::new("HERE", "SERVER");
    let tp = appc.tp_started("HERE", "CLIENT").map_err(|rc| rc.to_string())?;
    let conv = appc.allocate(tp, &asks).wait().map_err(|rc| rc.to_string())?;
    let record = b"\x00\x07hello"; // its length, which counts itself, then the rest

    println!("SEND_DATA: {}", appc.send_data(tp, conv, record, SendType::None).wait().rc);
    let buffered = appc.buffered(tp, conv).map_err(|rc| rc.to_string())?;
    println!("in the send buffer: the request and data, {buffered} bytes; frames sent: {}", lu.frames_sent());
    let before = server.cmaccp();
    println!("cmaccp before the flush: {}", before.err().unwrap_or(codes::CM_OK));
    assert_eq!((before, lu.frames_sent()), (Err(codes::CM_PROGRAM_STATE_CHECK), 0));

    println!("FLUSH: {}", appc.flush(tp, conv).wait().rc);
    // It is on its way; a completed FLUSH does not say that it is there.
    let there = loop {
        match server.cmaccp() {
            Err(codes::CM_PROGRAM_STATE_CHECK) => std::thread::yield_now(),
            answer => break answer.map_err(|rc| rc.to_string())?,
        }
    };
    let received = server.cmrcv(&there, 100);
    println!("cmrcv after it: {}, {:?}", received.return_code, String::from_utf8_lossy(&received.data[2..]));
    assert_eq!(received.data, record);

    // The turn, and an answer, which the other face holds back just as long.
    let answer = appc.receive_and_wait(tp, conv, ReceiveArguments::new(100));
    assert_eq!(server.cmrcv(&there, 100).status_received, codes::CM_SEND_RECEIVED);
    println!("cmsend: {}", server.cmsend(&there, b"\x00\x07world").return_code);
    let answer = answer.now().err().ok_or("it arrived before the flush")?;
    println!("cmflus: {}", server.cmflus(&there));
    let answer = answer.wait();
    println!("RECEIVE_AND_WAIT: {}, {:?}", answer.rc, String::from_utf8_lossy(&answer.data[2..]));

    println!("cmdeal: {}", server.cmdeal(&there));
    let end = appc.receive_and_wait(tp, conv, ReceiveArguments::new(100)).wait();
    println!("RECEIVE_AND_WAIT: {}", end.rc);
    let gone = appc.deallocate(tp, conv, Deallocate::Flush, &[]).wait();
    println!("DEALLOCATE of what is over: {}", gone.rc);
    Ok(())
}
