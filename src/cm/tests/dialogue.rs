//! The conformance statements of ndkpi.md that the connector alone decides, one dialogue each.

use super::pair::*;
use crate::cm::*;
use CallName::*;
use Outcome::*;

#[test]
fn conn_1_connect_completes_when_the_peer_accepts() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    assert_eq!(pair.active.told(), []);
    pair.call(Passive, accept());
    pair.drive();
    assert_eq!(pair.active.told(), [done(Connect, Success)]);
}

#[test]
fn conn_2_and_3_accept_pends_until_complete_connect() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    pair.call(Passive, accept());
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [Action::QpReadyToReceive]);
    pair.call(Active, Call::CompleteConnect);
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [Action::QpReadyToSend, done(Accept, Success)]);
}

/// In process a message is delivered when it is sent, so the accept ends before the peer may send.
#[test]
fn rtu_leaves_before_the_active_side_may_send() {
    let mut pair = Pair::accepted();
    let mut actions = vec![];
    pair.active.connector.call(pair.now, Call::CompleteConnect, &mut actions).unwrap();
    let rtu = Message { attempt: pair.active.connector.attempt(), body: Body::Rtu };
    assert_eq!(
        actions,
        [Action::QpReadyToReceive, Action::Send(rtu), Action::QpReadyToSend, done(CompleteConnect, Success)]
    );
}

#[test]
fn conn_4_complete_connect_without_an_attempt_is_invalid() {
    let refused = |pair: &mut Pair| pair.try_call(Active, Call::CompleteConnect).unwrap_err().refusal;
    assert_eq!(refused(&mut Pair::new()), Refusal::Invalid);
    assert_eq!(refused(&mut Pair::connected()), Refusal::Invalid);
}

#[test]
fn conn_5_nobody_listens_and_conn_23_the_connector_tries_again() {
    let mut pair = Pair::new();
    for close in [false, true] {
        pair.listener.pause(true);
        if close {
            pair.listener.close();
        }
        pair.call(Active, connect());
        pair.drive();
        assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, Refused)]);
        assert_eq!(pair.active.connector.state(), State::Created);
    }
}

#[test]
fn conn_6_a_passive_reject_refuses_and_conn_7_its_words_can_be_read() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    pair.call(Passive, reject());
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [done(Reject, Success)]);
    assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, Refused)]);
    assert_eq!(pair.active.connector.connection_data().unwrap().private_data, b"no");
}

#[test]
fn conn_8_an_active_reject_refuses_the_accept() {
    let mut pair = Pair::accepted();
    pair.call(Active, reject());
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpRelease, done(Reject, Success)]);
    assert_eq!(pair.side(Passive).told(), [Action::QpRelease, done(Accept, Refused)]);
}

#[test]
fn conn_9_an_active_close_after_connect_refuses_the_accept() {
    let mut pair = Pair::accepted();
    pair.call(Active, Call::Close);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpRelease, Action::Ended]);
    assert_eq!(pair.side(Passive).told(), [Action::QpRelease, done(Accept, Refused)]);
}

#[test]
fn conn_10_and_11_whoever_gave_up_before_is_found_aborted() {
    for (answer, call) in [(accept(), Accept), (reject(), Reject)] {
        let mut pair = Pair::new();
        pair.call(Active, connect());
        pair.call(Active, Call::Close);
        pair.drive();
        pair.call(Passive, answer);
        assert_eq!(pair.side(Passive).told().last(), Some(&done(call, Aborted)));
        assert_eq!(pair.side(Passive).connector.state(), State::Failed); // CONN-24
    }
}

#[test]
fn conn_14_each_side_reads_the_others_words() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    assert_eq!(pair.side(Passive).connector.connection_data().unwrap().private_data, b"hello");
    pair.call(Passive, accept());
    pair.drive();
    assert_eq!(pair.active.connector.connection_data().unwrap().private_data, b"welcome");
    assert_eq!(pair.side(Passive).connector.connection_data(), None, "not after accept was called");
}

/// Asked: 8 in, 4 out; granted: 2 in, 30 out, 16 at most.
#[test]
fn conn_17_and_18_limits_are_capped_and_crossed() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    let before_accept = pair.side(Passive).connector.limits();
    assert_eq!(before_accept, ReadLimits { inbound: 4, outbound: 8 });
    pair.call(Passive, accept());
    pair.drive();
    assert_eq!(pair.side(Passive).connector.limits(), ReadLimits { inbound: 2, outbound: 8 });
    assert_eq!(pair.active.connector.limits(), ReadLimits { inbound: 8, outbound: 2 });
}

#[test]
fn conn_19_limits_of_zero_connect() {
    let mut pair = Pair::new();
    let Call::Connect(none) = connect() else { unreachable!() };
    pair.call(Active, Call::Connect(super::super::Connect { limits: ReadLimits::default(), ..none }));
    pair.drive();
    pair.call(Passive, accept());
    pair.drive();
    pair.call(Active, Call::CompleteConnect);
    assert_eq!(pair.active.connector.state(), State::Connected);
    assert_eq!(pair.active.connector.limits(), ReadLimits::default());
}

#[test]
fn conn_21_a_second_connect_is_told_active() {
    let mut connecting = Pair::new();
    connecting.call(Active, connect());
    for pair in [&mut connecting, &mut Pair::accepted(), &mut Pair::connected()] {
        assert_eq!(pair.try_call(Active, connect()).unwrap_err().refusal, Refusal::Active);
    }
}

#[test]
fn conn_23_each_retryable_failure_leaves_the_connector_usable() {
    use crate::cm::Unreachable::{Host, Network};
    let unreachable = |how| move |pair: &mut Pair| pair.notice(Active, Notice::Unreachable(how));
    type Failure<'a> = (&'a dyn Fn(&mut Pair), Outcome);
    let failures: [Failure<'_>; 3] = [
        (&unreachable(Network), NetworkUnreachable),
        (&unreachable(Host), HostUnreachable),
        (&|pair| pair.time_out(Active), TimedOut),
    ];
    for (fail, outcome) in failures {
        let mut pair = Pair::new();
        pair.call(Active, connect());
        fail(&mut pair);
        assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, outcome)]); // CONN-22
        assert_eq!(pair.active.connector.connection_data(), None, "nobody has answered");
        pair.call(Active, connect());
        pair.drive();
        pair.call(Passive, accept());
        pair.drive();
        assert_eq!(pair.active.told(), [done(Connect, Success)]);
    }
}

/// The late answer to an attempt that has timed out is not taken for the answer to the next one.
#[test]
fn an_earlier_attempts_answer_is_dropped() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    pair.call(Passive, accept());
    pair.time_out(Active);
    pair.call(Active, connect());
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, TimedOut)]);
    assert_eq!(pair.active.connector.state(), State::Connecting);
    assert_eq!(pair.side(Passive).connector.state(), State::Incoming);
}

#[test]
fn conn_24_a_failed_accept_ends_the_connector() {
    let mut pair = Pair::accepted();
    pair.time_out(Passive);
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [Action::QpRelease, done(Accept, TimedOut)]);
    assert_eq!(pair.try_call(Passive, accept()).unwrap_err().refusal, Refusal::Invalid);
    pair.call(Active, Call::CompleteConnect);
    assert_eq!(pair.active.told(), [Action::QpRelease, done(CompleteConnect, Aborted)]);
    assert_eq!(pair.try_call(Active, connect()).unwrap_err().refusal, Refusal::Invalid);
}

/// 4.3: passive closes while accepting.
#[test]
fn a_passive_close_while_accepting_aborts_complete_connect() {
    let mut pair = Pair::accepted();
    pair.call(Passive, Call::Close);
    pair.drive();
    assert_eq!(
        pair.side(Passive).told(),
        [Action::QpRelease, done(Accept, Cancelled), Action::Ended],
        "the accept ends before the connector does"
    );
    pair.call(Active, Call::CompleteConnect);
    assert_eq!(pair.active.told(), [Action::QpRelease, done(CompleteConnect, Aborted)]);
}

/// The same, with the completion and the close crossing: the connection breaks as soon as it is made.
#[test]
fn a_passive_close_that_crosses_the_rtu_breaks_the_connection() {
    let mut pair = Pair::accepted();
    pair.call(Passive, Call::Close);
    pair.call(Active, Call::CompleteConnect);
    pair.active.told();
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpError, Action::Disconnected]);
}

#[test]
fn conn_29_one_event_and_conn_30_it_flushes_nothing() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [Action::Disconnected]);
    pair.call(Active, Call::Close);
    pair.drive();
    assert_eq!(pair.side(Passive).told(), [Action::QpError], "dead now, but no second event");
}

#[test]
fn conn_31_an_abort_calls_the_event_and_close_12_not_at_home() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Close);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpError, Action::Ended]);
    assert_eq!(pair.side(Passive).told(), [Action::QpError, Action::Disconnected]);
}

#[test]
fn conn_31_a_queue_pair_in_error_breaks_the_connection_on_both_sides() {
    let mut pair = Pair::connected();
    pair.notice(Active, Notice::QpFatal);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::Disconnected]);
    assert_eq!(pair.side(Passive).told(), [Action::QpError, Action::Disconnected]);
    pair.call(Active, Call::Disconnect);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpDisconnect, done(Disconnect, Aborted)]);
}

#[test]
fn conn_32_no_event_for_what_the_consumer_started() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.call(Passive, Call::Close);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpDisconnect, done(Disconnect, Aborted)]);
    assert_eq!(pair.side(Passive).told(), [Action::QpError, Action::Ended]);
}

#[test]
fn conn_33_disconnect_waits_for_the_peers_consumer_and_times_out() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.drive();
    assert_eq!(pair.active.told(), []);
    pair.time_out(Active);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpDisconnect, done(Disconnect, TimedOut)]);
    assert_eq!(pair.side(Passive).told(), [Action::Disconnected, Action::QpError]); // CONN-38
}

#[test]
fn conn_34_both_disconnect_one_after_the_other() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.drive();
    pair.call(Passive, Call::Disconnect);
    pair.drive();
    let parted = [Action::QpDisconnect, done(Disconnect, Success)];
    assert_eq!(pair.active.told(), parted);
    assert_eq!(pair.side(Passive).told(), [&[Action::Disconnected], &parted[..]].concat());
}

#[test]
fn conn_34_both_disconnect_at_once() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.call(Passive, Call::Disconnect);
    pair.drive();
    for end in [Active, Passive] {
        assert_eq!(pair.side(end).told(), [Action::QpDisconnect, done(Disconnect, Success)]);
    }
}

#[test]
fn conn_35_disconnect_completes_only_when_data_movement_has_ended() {
    let mut pair = Pair::connected();
    pair.call(Passive, Call::Disconnect);
    pair.deliver(Active);
    pair.call(Active, Call::Disconnect);
    assert_eq!(pair.active.told(), [Action::Disconnected, Action::QpDisconnect]);
    pair.end_dma(Active);
    assert_eq!(pair.active.told(), [done(Disconnect, Success)]);
}

#[test]
fn conn_36_nothing_follows_a_disconnect_but_close() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.call(Passive, Call::Disconnect);
    pair.drive();
    for call in [connect(), Call::Disconnect, accept()] {
        assert_eq!(pair.try_call(Active, call).unwrap_err().refusal, Refusal::Invalid);
    }
    pair.active.told();
    pair.call(Active, Call::Close);
    assert_eq!(pair.active.told(), [Action::Ended]);
}

#[test]
fn conn_39_disconnect_without_a_connection_is_invalid() {
    let error = Pair::accepted().try_call(Active, Call::Disconnect).unwrap_err();
    assert_eq!(error, CallError { call: "disconnect", state: State::Accepted, refusal: Refusal::Invalid });
    assert!(error.to_string().starts_with("disconnect on a connector that is Accepted"));
}

#[test]
fn conn_43_a_first_message_stands_for_the_rtu() {
    let mut pair = Pair::accepted();
    pair.call(Active, Call::CompleteConnect);
    pair.notice(Passive, Notice::Established);
    assert_eq!(pair.side(Passive).told(), [Action::QpReadyToSend, done(Accept, Success)]);
    pair.drive();
    assert_eq!(pair.side(Passive).told(), []);
}

#[test]
fn close_7_a_pending_disconnect_ends_before_the_connector_does() {
    let mut pair = Pair::connected();
    pair.call(Active, Call::Disconnect);
    pair.call(Active, Call::Close);
    assert_eq!(pair.active.told(), [Action::QpDisconnect]);
    pair.drive();
    assert_eq!(pair.active.told(), [done(Disconnect, Cancelled), Action::Ended]);
    assert_eq!(pair.side(Passive).told(), [Action::Disconnected, Action::QpError]);
}

#[test]
fn lsn_10_closing_an_incoming_connector_refuses_the_peer() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    pair.call(Passive, Call::Close);
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, Refused)]);
}

/// The passive side still holds a connection between these addresses: not one of the retryable four.
#[test]
fn a_stale_connection_at_the_peer_says_that_the_address_exists() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    let rej = Body::Rej { reason: RejReason::Stale, private_data: PrivateData::none() };
    pair.active.inbox.push_back(Message { attempt: pair.active.connector.attempt(), body: rej });
    pair.drive();
    assert_eq!(pair.active.told(), [Action::QpRelease, done(Connect, AddressExists)]);
    assert_eq!(pair.active.connector.state(), State::Failed);
}

/// only the peer is waited for with an eye on the clock.
#[test]
fn the_local_consumer_is_not_hurried() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    pair.drive();
    assert_eq!(pair.side(Passive).connector.next_timeout(), None);
    assert!(pair.active.connector.next_timeout().is_some());
    let mut pair = Pair::accepted();
    assert_eq!(pair.active.connector.next_timeout(), None);
    pair.call(Active, Call::CompleteConnect);
    pair.call(Active, Call::Disconnect);
    pair.drive();
    assert_eq!(pair.side(Passive).connector.next_timeout(), None);
}

#[test]
fn a_timeout_that_comes_too_early_does_nothing() {
    let mut pair = Pair::new();
    pair.call(Active, connect());
    let mut actions = vec![];
    pair.active.connector.handle_timeout(pair.now, &mut actions);
    assert_eq!(actions, []);
}
