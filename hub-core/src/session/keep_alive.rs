//! The deadlines of a connection (protocol.md section 6). Time comes from outside.

use std::time::Instant;

use super::{Role, SessionOptions};

#[derive(Debug)]
pub(super) struct KeepAlive {
    role: Role,
    handshake: Option<Instant>,
    next_ping: Option<Instant>,
    last_received: Instant,
    /// Since when the peer owes the rest of a message.
    begun: Option<Instant>,
    /// A server times out only clients that have pinged (P-PING-04).
    peer_pings: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Handshake,
    Ping,
    PeerTimeout,
}

impl KeepAlive {
    pub(super) fn new(role: Role, options: &SessionOptions, now: Instant) -> Self {
        Self {
            role,
            handshake: Some(now + options.handshake_timeout),
            next_ping: None,
            last_received: now,
            begun: None,
            peer_pings: role == Role::Client,
        }
    }

    /// The handshake is done: pings start (P-PING-03).
    pub(super) fn opened(&mut self, options: &SessionOptions, now: Instant) {
        self.handshake = None;
        self.next_ping = options.keep_alive.map(|interval| now + interval);
        self.last_received = now;
    }

    /// A whole message came (P-PING-05, P-PING-06).
    pub(super) fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.begun = None;
    }

    /// All whole messages are taken, and the beginning of another may be left: it is kept in memory, so its rest has to
    /// come in time, also from peers that never ping.
    pub(super) fn waits_for_more(&mut self, begun: bool, now: Instant) {
        if begun {
            self.begun.get_or_insert(now);
        } else {
            self.begun = None;
        }
    }

    pub(super) fn received_ping(&mut self) {
        self.peer_pings = true;
    }

    /// A message other than a ping went out: clients ping only after silence (P-PING-11), servers always (P-PING-01).
    pub(super) fn sent(&mut self, options: &SessionOptions, now: Instant) {
        if self.role == Role::Client && self.next_ping.is_some() {
            self.next_ping = options.keep_alive.map(|interval| now + interval);
        }
    }

    pub(super) fn closed(&mut self) {
        self.handshake = None;
        self.next_ping = None;
        self.begun = None;
        self.peer_pings = false;
    }

    /// The earliest deadline. While input waits to be processed the peer is not late (P-PING-05).
    pub(super) fn next(&self, options: &SessionOptions, input_waits: bool) -> Option<Instant> {
        let timeout = self.peer_deadline(options).filter(|_| !input_waits);
        [self.handshake, self.next_ping, timeout].into_iter().flatten().min()
    }

    /// Takes what is due at this time, one at a time.
    pub(super) fn take_due(&mut self, options: &SessionOptions, input_waits: bool, now: Instant) -> Option<Due> {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if passed(self.handshake) {
            self.handshake = None;
            return Some(Due::Handshake);
        }
        if !input_waits && passed(self.peer_deadline(options)) {
            self.peer_pings = false;
            self.begun = None;
            return Some(Due::PeerTimeout);
        }
        if passed(self.next_ping) {
            self.next_ping = options.keep_alive.map(|interval| now + interval);
            return Some(Due::Ping);
        }
        None
    }

    fn peer_deadline(&self, options: &SessionOptions) -> Option<Instant> {
        if self.handshake.is_some() {
            return None;
        }
        // Where a client needs no pings, its server sends none either: there silence means nothing (P-PING-09).
        let may_be_late = self.role == Role::Server || options.keep_alive.is_some();
        let silent_since = (may_be_late && self.peer_pings).then_some(self.last_received);
        // A server keeps nothing for clients that never ping either.
        let begun = self.begun.filter(|_| self.role == Role::Server);
        [silent_since, begun].into_iter().flatten().min().map(|since| since + options.peer_timeout)
    }
}
