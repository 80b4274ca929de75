//! A pair of connectors with a message queue each way, and devices that do what they are told.

use crate::cm::*;
use crate::time::Time;
use std::collections::VecDeque;

pub(super) const MAXIMUM: ReadLimits = ReadLimits { inbound: 16, outbound: 16 };

/// One side: the connector, what the peer has sent, and what the device was told, but for messages.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) connector: Connector,
    pub(super) inbox: VecDeque<Message>,
    pub(super) told: Vec<Action>,
    /// A `QpDisconnect` that the device has still to answer.
    pub(super) draining: bool,
}

impl Side {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, inbox: VecDeque::new(), told: vec![], draining: false }
    }

    /// What the device was told since the last time.
    pub(super) fn told(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.told)
    }

    /// Keeps the device's part of `actions` and returns the messages.
    pub(super) fn obey(&mut self, actions: Vec<Action>) -> Vec<Message> {
        let mut messages = vec![];
        for action in actions {
            match action {
                Action::Send(message) => messages.push(message),
                other => {
                    self.draining |= other == Action::QpDisconnect;
                    self.told.push(other);
                }
            }
        }
        messages
    }
}

/// The active and the passive side. Nothing moves but by [`Pair::drive`].
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) now: Time,
    pub(super) active: Side,
    pub(super) passive: Option<Side>,
    pub(super) listener: Listener,
}

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Active,
    Passive,
}

pub(super) use End::{Active, Passive};

impl Pair {
    pub(super) fn new() -> Self {
        let mut listener = Listener::new();
        listener.listen().unwrap();
        let active = Side::new(Connector::new(Timeouts::default(), MAXIMUM));
        Self { now: Time::ZERO, active, passive: None, listener }
    }

    /// Accepted by the peer, not yet completed.
    pub(super) fn accepted() -> Self {
        let mut pair = Self::new();
        pair.call(Active, connect());
        pair.drive();
        pair.call(Passive, accept());
        pair.drive();
        pair.forget();
        pair
    }

    /// Connected, with nothing under way.
    pub(super) fn connected() -> Self {
        let mut pair = Self::accepted();
        pair.call(Active, Call::CompleteConnect);
        pair.drive();
        pair.forget();
        pair
    }

    pub(super) fn side(&mut self, end: End) -> &mut Side {
        match end {
            Active => &mut self.active,
            Passive => self.passive.as_mut().expect("no request has arrived"),
        }
    }

    /// A call that the state allows.
    pub(super) fn call(&mut self, end: End, call: Call) {
        self.try_call(end, call).unwrap();
    }

    pub(super) fn try_call(&mut self, end: End, call: Call) -> Result<(), CallError> {
        let now = self.now;
        let mut actions = vec![];
        let result = self.side(end).connector.call(now, call, &mut actions);
        assert!(result.is_ok() || actions.is_empty(), "a refused call does nothing");
        self.obey(end, actions);
        result
    }

    pub(super) fn notice(&mut self, end: End, notice: Notice) {
        let now = self.now;
        let mut actions = vec![];
        self.side(end).connector.handle_notice(now, notice, &mut actions);
        self.obey(end, actions);
    }

    /// Lets time pass until the wait of `end` is over.
    pub(super) fn time_out(&mut self, end: End) {
        self.now = self.side(end).connector.next_timeout().expect("no wait is running");
        let now = self.now;
        let mut actions = vec![];
        self.side(end).connector.handle_timeout(now, &mut actions);
        self.obey(end, actions);
    }

    /// Delivers one message to `end`; false if there was none.
    pub(super) fn deliver(&mut self, end: End) -> bool {
        if end == Passive && self.passive.is_none() {
            return false;
        }
        let Some(message) = self.side(end).inbox.pop_front() else { return false };
        let now = self.now;
        let mut actions = vec![];
        self.side(end).connector.handle_message(now, message, &mut actions);
        self.obey(end, actions);
        true
    }

    /// Delivers and drains until nothing is under way.
    pub(super) fn drive(&mut self) {
        loop {
            let mut moved = false;
            for end in [Active, Passive] {
                moved |= self.deliver(end) | self.end_dma(end);
            }
            if !moved {
                return;
            }
        }
    }

    /// Ends the data movement of `end`, if that was asked for.
    pub(super) fn end_dma(&mut self, end: End) -> bool {
        if end == Passive && self.passive.is_none() {
            return false;
        }
        let asked = std::mem::take(&mut self.side(end).draining);
        if asked {
            self.notice(end, Notice::DmaEnded);
        }
        asked
    }

    fn forget(&mut self) {
        self.active.told.clear();
        self.passive.as_mut().unwrap().told.clear();
    }

    fn obey(&mut self, end: End, actions: Vec<Action>) {
        for message in self.side(end).obey(actions) {
            match end {
                Passive => self.active.inbox.push_back(message),
                Active => self.deliver_to_passive(message),
            }
        }
    }

    /// A request goes through the listener and makes a connector, the rest to the connector of its attempt.
    fn deliver_to_passive(&mut self, message: Message) {
        let refusal = message.refusal(RejReason::NoListener);
        match (message.body, self.listener.arrival()) {
            (Body::Req(request), Arrival::HandOver) => {
                let connector = Connector::incoming(message.attempt, request, Timeouts::default(), MAXIMUM);
                self.passive = Some(Side::new(connector));
            }
            (Body::Req(_), Arrival::Refuse(_)) => self.active.inbox.push_back(refusal),
            (body, _) => {
                if let Some(passive) = &mut self.passive {
                    passive.inbox.push_back(Message { attempt: message.attempt, body });
                }
            }
        }
    }
}

pub(super) fn connect() -> Call {
    let limits = ReadLimits { inbound: 8, outbound: 4 };
    let private_data = PrivateData::for_connect(b"hello").unwrap();
    let route = Route { local: "10.0.0.1:50000".parse().unwrap(), peer: "10.0.0.2:7".parse().unwrap() };
    Call::Connect(Connect { route, qp: QpAddress::default(), limits, private_data })
}

pub(super) fn accept() -> Call {
    let limits = ReadLimits { inbound: 2, outbound: 30 };
    let private_data = PrivateData::for_answer(b"welcome").unwrap();
    Call::Accept(Accept { qp: QpAddress::default(), limits, private_data })
}

pub(super) fn reject() -> Call {
    Call::Reject(PrivateData::for_answer(b"no").unwrap())
}

/// The calls by number, so that chance or a search can choose one.
pub(super) fn nth_call(number: usize) -> Call {
    match number {
        0 => connect(),
        1 => accept(),
        2 => Call::CompleteConnect,
        3 => reject(),
        4 => Call::Disconnect,
        _ => Call::Close,
    }
}

/// The completion of a call.
pub(super) fn done(call: CallName, outcome: Outcome) -> Action {
    Action::Complete(call, outcome)
}
