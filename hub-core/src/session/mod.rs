//! The connection state machine, the same for both ends, without IO and without a clock.

mod handshake;
mod in_flight;
mod keep_alive;
mod options;
mod output;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use self::in_flight::Served;
pub use self::in_flight::{CallKey, Wants};
use self::keep_alive::{Due, KeepAlive};
pub use self::options::SessionOptions;
pub use self::output::{Ending, Ignored, IncomingCall, Output};
use crate::codec::{Codec, Payload, TransferFormat};
use crate::error::{ProtocolError, with_detail};
use crate::framing::Incoming;
use crate::handshake::{HandshakeError, HandshakeRequest, HandshakeResponse};
use crate::message::{Invocation, InvocationId, Message, Outcome};

/// How much input may wait before the transport should stop reading, in bytes (P-LIM-11).
const INPUT_WINDOW: usize = 64 * 1024;

/// How large a write buffer an idle session may keep, in bytes.
const KEPT_BUFFER: usize = 4 * 1024;

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers the handshake.
    Server,
    /// Asks for it.
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    Closed,
}

/// One end of a connection.
///
/// Methods come in four families:
/// - `handle_*`: something happened: bytes came, time passed, the transport ended;
/// - plain verbs: what the application wants: [`send`](Self::send), [`invoke`](Self::invoke), [`answer`](Self::answer),
///   [`item`](Self::item), [`cancel`](Self::cancel), [`close`](Self::close);
/// - `poll_*`: what must be done. After any call of the other families, call [`poll_output`](Self::poll_output) until it
///   gives nothing, then [`poll_write`](Self::poll_write), then [`poll_timeout`](Self::poll_timeout) for when to come
///   back. Messages are decoded as outputs are taken: a driver that is busy leaves them, and stops reading when
///   [`wants_input`](Self::wants_input) says so;
/// - the rest only tells.
#[derive(Debug)]
pub struct Session {
    role: Role,
    phase: Phase,
    binary_transport: bool,
    options: Arc<SessionOptions>,
    codec: Option<Codec>,
    incoming: Incoming,
    /// A plain call that waits for a slot, with the size of its message. Everything waits behind it (P-INV-20).
    parked: Option<Box<(Invocation, usize)>>,
    ending: Option<Ending>,
    out: BytesMut,
    last_batch: usize,
    writes: VecDeque<Bytes>,
    writes_len: usize,
    served: Served,
    /// The calls made here, and whether they stream.
    asked: HashMap<InvocationId, bool>,
    last_id: u64,
    keep_alive: KeepAlive,
    now: Instant,
}

impl Session {
    /// The server's end. `transfer_format` is what the transport can carry.
    pub fn server(options: Arc<SessionOptions>, transfer_format: TransferFormat, now: Instant) -> Self {
        Self::new(Role::Server, options, transfer_format, now)
    }

    /// The client's end, which asks for `codec` at once.
    pub fn client(options: Arc<SessionOptions>, codec: Codec, now: Instant) -> Self {
        let mut session = Self::new(Role::Client, options, codec.transfer_format(), now);
        session.codec = Some(codec);
        HandshakeRequest::write(codec, 1, &mut session.out);
        session
    }

    fn new(role: Role, options: Arc<SessionOptions>, transfer_format: TransferFormat, now: Instant) -> Self {
        Self {
            role,
            phase: Phase::Handshake,
            binary_transport: transfer_format == TransferFormat::Binary,
            codec: None,
            incoming: Incoming::default(),
            parked: None,
            ending: None,
            out: BytesMut::new(),
            last_batch: 0,
            writes: VecDeque::new(),
            writes_len: 0,
            served: Served::default(),
            asked: HashMap::new(),
            last_id: 0,
            keep_alive: KeepAlive::new(role, &options, now),
            options,
            now,
        }
    }

    // What happened.

    /// The transport brought bytes, cut anywhere.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) {
        self.now = now;
        if self.phase != Phase::Closed {
            self.incoming.push(bytes);
        }
    }

    /// Time has passed. Call it when [`poll_timeout`](Self::poll_timeout) is reached; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let input_waits = self.input_waits();
        while let Some(due) = self.keep_alive.take_due(&self.options, input_waits, now) {
            match due {
                Due::Handshake => self.fail_handshake(HandshakeError::Canceled),
                Due::Ping => self.write(&Message::Ping),
                Due::PeerTimeout => {
                    if self.role == Role::Server {
                        let reason = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.";
                        self.close_with_error("OperationCanceledException", reason);
                    }
                    self.end(Ending::TimedOut);
                }
            }
        }
    }

    /// The transport ended: no more bytes come. Take all outputs before.
    pub fn handle_end(&mut self, now: Instant) {
        self.now = now;
        match self.phase {
            Phase::Open if !self.incoming.is_empty() && self.parked.is_none() => self.fail(ProtocolError::Truncated),
            Phase::Closed => {}
            // A handshake that never came gets no answer (P-HS-13).
            _ => self.end(Ending::TransportEnded),
        }
    }

    /// The peer broke a rule that only the driver can see.
    pub fn fail(&mut self, error: ProtocolError) {
        match (self.phase, self.role) {
            (Phase::Closed, _) => return,
            // The transport tells the peer in its own way (P-WS-06).
            _ if matches!(error, ProtocolError::Transport(_)) => {}
            (Phase::Handshake, Role::Server) => {
                let error = match error {
                    ProtocolError::TooLarge(_) => HandshakeError::Canceled,
                    other => HandshakeError::Malformed(other.to_string()),
                };
                self.fail_handshake(error);
                return;
            }
            (Phase::Open, Role::Server) => self.close_with_error(error.kind(), &error.to_string()),
            (_, Role::Client) => {}
        }
        self.end(Ending::Protocol(error));
    }

    // What the application wants.

    /// Sends a message that is encoded already, framing included, and shared with other connections.
    pub fn send(&mut self, framed: Bytes) {
        if self.phase == Phase::Open {
            if !self.out.is_empty() {
                let bytes = self.take_out();
                self.queue(bytes);
            }
            self.queue(framed);
            self.keep_alive.sent(&self.options, self.now);
        }
    }

    /// An id for a call or upload of this end: a client's counter serves both (P-INV-16).
    pub fn next_id(&mut self) -> InvocationId {
        self.last_id += 1;
        InvocationId::numbered(self.last_id)
    }

    /// Calls a method of the peer. With an id in the invocation its end comes as [`Output::Answered`], once.
    pub fn invoke(&mut self, invocation: Invocation, streaming: bool) {
        if self.phase != Phase::Open {
            return;
        }
        if let Some(id) = &invocation.id {
            self.asked.insert(id.clone(), streaming);
        }
        self.write(&if streaming { Message::StreamInvocation(invocation) } else { Message::Invocation(invocation) });
    }

    /// Wants no more of a call made here. Its end may still come, and is then unknown. A hub is told (P-CAN-01, P-DIV-06);
    /// a client that was asked is not (P-CR-06).
    pub fn cancel(&mut self, id: &InvocationId) {
        if self.asked.remove(id).is_some() && self.role == Role::Client {
            self.write(&Message::CancelInvocation { id: id.clone() });
        }
    }

    /// Sends an item of an upload that [`invoke`](Self::invoke) announced.
    pub fn upload_item(&mut self, id: &InvocationId, item: Payload) {
        self.write(&Message::StreamItem { id: id.clone(), item });
    }

    /// Ends an upload (P-UP-02).
    pub fn upload_end(&mut self, id: &InvocationId, error: Option<String>) {
        let outcome = error.map_or(Outcome::Void, Outcome::Error);
        self.write(&Message::Completion { id: id.clone(), outcome });
    }

    /// Sends an item of a stream that the peer asked for.
    pub fn item(&mut self, call: CallKey, item: Payload) {
        let id = self.served.get(call).filter(|serving| serving.wants == Wants::Stream);
        if let Some(id) = id.and_then(|serving| serving.id.clone()) {
            self.write(&Message::StreamItem { id, item });
        }
    }

    /// Ends a call of the peer's, with its one Completion if it wants one. Ending it again does nothing.
    pub fn answer(&mut self, call: CallKey, outcome: Outcome) {
        if let Some(serving) = self.served.finish(call)
            && let (Some(id), true) = (serving.id, serving.wants != Wants::Nothing)
        {
            self.write(&Message::Completion { id, outcome });
        }
    }

    /// Lets the next plain call begin although this one waits: it asked the peer something (P-CR-10).
    pub fn release_slot(&mut self, call: CallKey) {
        self.served.release_slot(call);
    }

    /// Ends the session by a Close message. There is no [`Output::Closed`]: the caller knows.
    pub fn close(&mut self, error: Option<String>, allow_reconnect: bool) {
        match self.phase {
            Phase::Open => self.write(&Message::Close { error, allow_reconnect }),
            Phase::Handshake if self.role == Role::Server => {
                HandshakeResponse::write(Some(&HandshakeError::Canceled.wire_text(false)), &mut self.out);
            }
            _ => {}
        }
        self.shut();
    }

    // What must be done.

    /// The next thing to do, if any.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        self.now = now;
        loop {
            if let Some(ending) = self.ending.take() {
                return Some(Output::Closed(ending));
            }
            match self.phase {
                Phase::Closed => return None,
                Phase::Handshake => {
                    if !self.handshake() {
                        // Failed, or in need of more bytes.
                        return self.ending.take().map(Output::Closed);
                    }
                    return self.codec.map(Output::Opened);
                }
                Phase::Open => {
                    if let Some(parked) = self.parked.take() {
                        if !self.has_slot() {
                            self.parked = Some(parked);
                            return None;
                        }
                        // The peer could not be heard while its call was parked (P-PING-05).
                        self.keep_alive.received(self.now);
                        let (invocation, size) = *parked;
                        return Some(self.begin(invocation, Wants::Answer, size));
                    }
                    match self.next_frame() {
                        Ok(Some((codec, frame))) => match codec.decode(&frame) {
                            Ok(Some(message)) => return self.handle_message(message, frame.len()),
                            Ok(None) => return Some(Output::Settled),
                            Err(error) => self.fail(error),
                        },
                        Ok(None) => return None,
                        Err(error) => self.fail(error),
                    }
                }
            }
        }
    }

    /// The next bytes to write: whole messages, so that each may be a WebSocket message of its own (P-FRM-05).
    pub fn poll_write(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.writes.pop_front() {
            self.writes_len -= bytes.len();
            return Some(bytes);
        }
        (!self.out.is_empty()).then(|| self.take_out())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.keep_alive.next(&self.options, self.input_waits())
    }

    // What else there is to know.

    /// Whether the transport should go on reading.
    pub fn wants_input(&self) -> bool {
        // The beginning of a message waits for nobody here: only more input completes it.
        !self.incoming.has_news() || self.incoming.len() < INPUT_WINDOW
    }

    /// How many bytes wait to be written.
    pub fn output_len(&self) -> usize {
        self.writes_len + self.out.len()
    }

    /// Whether a call waits for a slot, and everything that came after it too (P-INV-20).
    pub fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The protocol, once the handshake has chosen it.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The calls of the peer's that are not answered yet.
    pub fn open_calls(&self) -> impl Iterator<Item = CallKey> {
        self.served.keys()
    }

    // Messages.

    fn next_frame(&mut self) -> Result<Option<(Codec, Bytes)>, ProtocolError> {
        let Some(codec) = self.codec else { return Ok(None) };
        let frame = self.incoming.next_frame(codec.into(), self.options.receive_limit)?;
        match frame {
            Some(_) => self.keep_alive.received(self.now),
            None => self.keep_alive.waits_for_more(!self.incoming.is_empty(), self.now),
        }
        Ok(frame.map(|frame| (codec, frame)))
    }

    /// `None` when the call has to wait for a slot.
    fn handle_message(&mut self, message: Message, size: usize) -> Option<Output> {
        Some(match message {
            Message::Invocation(invocation) => {
                if invocation.streams.is_empty() && !self.has_slot() {
                    self.parked = Some(Box::new((invocation, size)));
                    return None;
                }
                self.begin(invocation, Wants::Answer, size)
            }
            Message::StreamInvocation(invocation) if self.role == Role::Client => {
                Output::Ignored(Ignored::StreamInvocation(invocation.target))
            }
            Message::StreamInvocation(invocation) => self.begin(invocation, Wants::Stream, size),
            Message::StreamItem { id, item } => match self.served.upload(&id) {
                Some((call, upload)) => Output::UploadItem { call, upload, item },
                None => match self.asked.get(&id) {
                    Some(true) => Output::Item { id, item },
                    Some(false) => {
                        // A call that was not made for a stream fails (P-INV-18).
                        self.asked.remove(&id);
                        Output::Answered { id, outcome: Outcome::Error("Unexpected message type: 2".to_owned()) }
                    }
                    None => Output::Ignored(Ignored::StreamItem(id)),
                },
            },
            Message::Completion { id, outcome } => match self.served.end_upload(&id) {
                Some((call, upload)) => {
                    let error = if let Outcome::Error(error) = outcome { Some(error) } else { None };
                    Output::UploadEnd { call, upload, error }
                }
                None if self.asked.remove(&id).is_some() => {
                    Output::Answered { id, outcome: self.as_this_end_takes_it(outcome) }
                }
                None => Output::UnknownCompletion(id),
            },
            Message::CancelInvocation { id } => match self.served.find(&id) {
                Some(call) => Output::Cancelled(call),
                None => Output::Ignored(Ignored::Cancellation(id)),
            },
            Message::Ping => {
                self.keep_alive.received_ping();
                Output::Settled
            }
            Message::Close { error, allow_reconnect } => {
                if self.role == Role::Server {
                    // The reference answers a client's Close with its own (P-CLS-03).
                    self.write(&Message::Close { error: None, allow_reconnect: false });
                }
                self.end(Ending::PeerClosed { error, allow_reconnect });
                Output::Settled
            }
            // They mean nothing without stateful reconnect (P-SR-25).
            Message::Ack { .. } | Message::Sequence { .. } => Output::Settled,
        })
    }

    /// A client takes an empty error in JSON for none, as the official ones do; a server takes it for one (P-JSON-12).
    fn as_this_end_takes_it(&self, outcome: Outcome) -> Outcome {
        match (outcome, self.role, self.codec) {
            (Outcome::Error(error), Role::Client, Some(Codec::Json)) if error.is_empty() => Outcome::Void,
            (outcome, ..) => outcome,
        }
    }

    fn has_slot(&self) -> bool {
        self.served.slots_taken() < self.options.parallel_calls
    }

    /// Begins a call whose message had this size, or refuses it.
    fn begin(&mut self, invocation: Invocation, wants: Wants, size: usize) -> Output {
        let Invocation { headers, id, target, arguments, streams } = invocation;
        let wants = if id.is_none() { Wants::Nothing } else { wants };
        let open = self.served.len();
        let refusal = match &id {
            Some(id) if wants == Wants::Stream && self.served.has_stream(id) => {
                Some(format!("Invocation ID '{id}' is already in use."))
            }
            _ if open >= self.options.open_calls => {
                Some(too_much(&target, &format!("The connection has {} calls open", self.options.open_calls)))
            }
            // A single larger one passes when no other is open.
            _ if open > 0 && self.served.bytes().saturating_add(size) > self.options.open_call_bytes => {
                let limit = self.options.open_call_bytes;
                Some(too_much(
                    &target,
                    &format!("With this call those that the connection has open exceed {limit} bytes"),
                ))
            }
            _ => None,
        };
        if let Some(error) = refusal {
            if let Some(id) = id {
                self.write(&Message::Completion { id, outcome: Outcome::Error(error) });
            }
            return Output::Settled;
        }
        let mut seen = HashSet::with_capacity(streams.len());
        let reused = streams.iter().find(|stream| self.served.has_upload(stream) || !seen.insert(*stream)).cloned();
        let uploads = streams.len();
        // The stream that has the id goes on, and this call is to be refused.
        let streams = if reused.is_some() { Vec::new() } else { streams };
        let key = self.served.begin(id, wants, streams, size);
        Output::Call(IncomingCall { key, target, arguments, wants, uploads, reused, headers })
    }

    // Writing and ending.

    fn write(&mut self, message: &Message) {
        if let (Some(codec), Phase::Open) = (self.codec, self.phase) {
            if self.out.capacity() == 0 {
                self.out.reserve(self.last_batch);
            }
            codec.encode(message, &mut self.out);
            self.keep_alive.sent(&self.options, self.now);
        }
    }

    fn queue(&mut self, bytes: Bytes) {
        self.writes_len += bytes.len();
        self.writes.push_back(bytes);
    }

    fn take_out(&mut self) -> Bytes {
        let bytes = self.out.split().freeze();
        // The buffer is used again once its bytes are written, unless it has grown large: then the next one is made as
        // large at once, if it comes.
        if self.out.capacity() > KEPT_BUFFER || bytes.len() > KEPT_BUFFER {
            self.out = BytesMut::new();
        }
        self.last_batch = bytes.len();
        bytes
    }

    fn close_with_error(&mut self, kind: &str, reason: &str) {
        let head = "Connection closed with an error.";
        let error = if self.options.detailed_errors { with_detail(head, kind, reason) } else { head.to_owned() };
        self.write(&Message::Close { error: Some(error), allow_reconnect: true });
    }

    fn end(&mut self, ending: Ending) {
        if self.phase != Phase::Closed {
            self.ending = Some(ending);
            self.shut();
        }
    }

    fn shut(&mut self) {
        self.phase = Phase::Closed;
        self.incoming = Incoming::default();
        self.parked = None;
        self.keep_alive.closed();
    }

    fn input_waits(&self) -> bool {
        // The beginning of a message is none (P-PING-06).
        self.parked.is_some() || self.incoming.has_news()
    }
}

fn too_much(target: &str, what: &str) -> String {
    format!(
        "Failed to invoke '{target}' due to an error on the server. HubException: {what}, which is the most that are \
         allowed."
    )
}
