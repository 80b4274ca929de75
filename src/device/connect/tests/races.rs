//! Threads that connect, part and close at the same time: each call ends once, and every close completes.

use super::*;
use crate::sync::{AtomicU64, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

/// Ends of calls, and calls.
#[derive(Default)]
struct Tally {
    asked: AtomicU64,
    ended: AtomicU64,
    events: AtomicU64,
}

fn up(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed); // read when all threads have been joined
}

fn done(tally: &Arc<Tally>) -> Done {
    up(&tally.asked);
    let (tally, once) = (Arc::clone(tally), AtomicU64::new(0));
    Box::new(move |_| {
        up(&once);
        up(&tally.ended);
    })
}

fn event(tally: &Arc<Tally>) -> Option<Task> {
    let tally = Arc::clone(tally);
    Some(Box::new(move || up(&tally.events)))
}

/// One round: two connectors, and what each of the threads does with them.
fn round(net: &Net, tally: &Arc<Tally>, roles: [u32; 3]) {
    let listener = net.listener();
    let (active, active_qp, passive_qp) = (net.connector(), net.qp(), net.qp());
    active.connect(&active_qp, net.at(0), net.at(PORT), LIMITS, b"", done(tally));
    let passive = net.arrived().unwrap();
    let lives = [&active.life, &passive.life, &listener.life].map(Arc::clone);
    let act = |role: u32| {
        for step in 0..4 {
            match (role >> (3 * step)) & 7 {
                0 => passive.accept(&passive_qp, LIMITS, b"", event(tally), done(tally)),
                1 => active.complete_connect(event(tally), done(tally)),
                2 => active.disconnect(done(tally)),
                3 => passive.disconnect(done(tally)),
                4 => active.connect(&active_qp, net.at(0), net.at(PORT), LIMITS, b"", done(tally)),
                5 => drop(send(&active_qp, 1)),
                6 => drop(passive.reject(b"")),
                _ => listener.pause(step % 2 == 0),
            }
        }
    };
    thread::scope(|scope| {
        for role in roles {
            let act = &act;
            scope.spawn(move || act(role));
        }
    });
    thread::scope(|scope| {
        scope.spawn(|| active.close(None));
        scope.spawn(|| passive.close(None));
        scope.spawn(|| listener.close(None));
    });
    net.incoming.lock().unwrap().clear(); // closes what came by a second connect
    net.drive();
    assert!(lives.iter().all(|life| life.is_closed()), "{active:?} {passive:?} {listener:?}");
    for qp in [active_qp, passive_qp] {
        let life = Arc::clone(&qp.life);
        qp.close(None);
        net.drive();
        assert!(life.is_closed());
    }
}

#[test]
fn threads_that_do_what_they_like_leave_nothing_pending() {
    let net = Net::new();
    let tally = Arc::new(Tally::default());
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        // xorshift: any sequence will do, so long as it is always the same
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    for _ in 0..300 {
        round(&net, &tally, [next(), next(), next()]);
    }
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed); // all threads have been joined
    assert_eq!(read(&tally.asked), read(&tally.ended));
    assert_eq!(net.exchange.handle_timeouts(Time::ZERO), None);
}

#[test]
fn conn_34_both_disconnect_at_once_and_both_succeed() {
    let net = Net::new();
    let mut pair = Pair::connected_in(net);
    for _ in 0..200 {
        thread::scope(|scope| {
            scope.spawn(|| pair.disconnect_active());
            scope.spawn(|| pair.disconnect_passive());
        });
        let mut ends: Vec<_> = pair.lines().into_iter().filter(|line| !line.ends_with("event")).collect();
        ends.sort();
        assert_eq!(ends, ["active disconnect: ok", "passive disconnect: ok"]);
        pair = Pair::connected_in(pair.into_net());
    }
}

#[test]
fn close_9_a_connector_closes_while_its_queue_pair_is_posted_to() {
    let net = Net::new();
    let mut pair = Pair::connected_in(net);
    for _ in 0..200 {
        thread::scope(|scope| {
            scope.spawn(|| pair.active.close(None));
            scope.spawn(|| {
                // Taken, or refused as on a queue pair that was never connected or is full; never stuck.
                for context in 0..4 {
                    pair.active_qp.post_receive(context, &[]).unwrap();
                    send(&pair.active_qp, 10 + context).unwrap();
                }
            });
        });
        assert_eq!(pair.lines(), ["passive event"]);
        assert_eq!(polled(&pair.active_qp.send_cq).len(), 8);
        pair = Pair::connected_in(pair.into_net());
    }
}

#[test]
fn conn_43_an_answer_from_another_thread_is_never_refused() {
    let net = Net::new();
    let mut pair = Pair::asked_in(net);
    for _ in 0..200 {
        pair.passive_qp.post_receive(1, &[]).unwrap();
        pair.active_qp.post_receive(2, &[]).unwrap();
        let (active, qp) = (Arc::clone(&pair.active), Arc::clone(&pair.active_qp));
        let (told, sent) = mpsc::channel();
        // The thread that accepts may still be at the deeds of both sides when another one completes.
        thread::scope(|scope| {
            scope.spawn(|| pair.accept());
            scope.spawn(move || {
                while active.state() != State::Accepted {
                    thread::yield_now();
                }
                let done = move |end| {
                    // Not listened to any more: the message has been received already.
                    let _ = told.send((end, send(&qp, 3)));
                };
                active.complete_connect(None, Box::new(done));
            });
            let passive_qp = &pair.passive_qp;
            scope.spawn(move || {
                while polled(&passive_qp.receive_cq).is_empty() {
                    match sent.try_recv() {
                        Ok(ends) => assert_eq!(ends, (Ok(()), Ok(()))),
                        Err(TryRecvError::Empty) => thread::yield_now(),
                        Err(TryRecvError::Disconnected) => {
                            assert_eq!(polled(&passive_qp.receive_cq).len(), 1);
                            break;
                        }
                    }
                }
                send(passive_qp, 4).unwrap();
            });
        });
        pair = Pair::asked_in(pair.into_net());
    }
}
