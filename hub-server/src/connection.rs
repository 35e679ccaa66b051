//! The driver of one connection: the only task that touches its socket, its session and its calls.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_channel::oneshot;
use futures_util::future::join3;
use hub_core::backplane::Subscribed;
use hub_core::dispatch::BoxFuture;
use hub_core::message::Outcome;
use hub_core::session::{Ending, IncomingCall, Output, Session};
use hub_core::{Codec, HubError, Identity, InvocationId, ProtocolError, TransferFormat};
use tokio::time::Sleep;

use crate::budget::{Budget, give_way};
use crate::calls::{Calls, Finished};
use crate::context::DisconnectReason;
use crate::dispatcher::{Begun, Service, not_invoked, outcome};
use crate::events;
use crate::hub::HubState;
use crate::line::Line;
use crate::outbox::{Answering, Command, End, now};
use crate::peer::Peer;
use crate::request::Request;
use crate::shutdown::{LAST_WORDS, Open};
use crate::tokens::Attached;
use crate::transport::{Lost, Received, Transport};

/// What a connection is opened with.
pub(crate) struct Opening {
    pub(crate) attached: Attached,
    pub(crate) identity: Identity,
    pub(crate) request: Request,
}

/// How much is collected before it is written.
const WRITE_BATCH: usize = 64 * 1024;

/// Serves a connection from its handshake to its end.
///
/// The future is small, and so is an idle connection: what is needed for the end is made when it comes.
pub(crate) fn serve<T: Transport>(
    transport: T,
    hub: Arc<HubState>,
    service: Arc<dyn Service>,
    opening: Opening,
) -> impl Future<Output = ()> + Send {
    let mut driver = Box::new(Driver::new(transport, hub, service, opening));
    async move {
        let reason = {
            let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
            poll_fn(|cx| driver.poll(cx, timer.as_mut())).await
        };
        Box::pin(driver.finish(reason)).await;
    }
}

struct Driver<T> {
    line: Line<T>,
    session: Session,
    hub: Arc<HubState>,
    service: Arc<dyn Service>,
    attached: Attached,
    /// Until the handshake is done.
    opening: Option<(Identity, Request)>,
    /// From then on.
    peer: Option<Arc<Peer>>,
    /// Until other nodes reach the connection: nothing is written before, not even the handshake (P-RED-15).
    subscribing: Option<Subscribed>,
    /// The connected hook: no message is taken before it has returned (P-HS-15).
    hook: Option<BoxFuture<Result<(), HubError>>>,
    /// Whether it has, so that the disconnected hook runs in the end (P-CLS-04).
    was_connected: bool,
    calls: Calls,
    questions: HashMap<InvocationId, oneshot::Sender<Outcome>>,
    commands: VecDeque<Command>,
    /// Messages and bytes that the session took from the outbox, and the socket has not taken yet.
    moved: (usize, usize),
    /// Since when the socket has not taken all that it was given.
    blocked: Option<Instant>,
    /// Since when it has taken nothing of that, and how much it had taken then.
    stuck: Option<Instant>,
    taken: u64,
    expires: Option<Instant>,
    /// The server stops: calls that run are finished, none begins.
    stopping: bool,
    /// Why the client is gone, while what it sent before is still served.
    gone: Option<DisconnectReason>,
    reason: Option<DisconnectReason>,
    /// From the handshake on. The last to go: a shutdown waits for it.
    open: Option<Open>,
}

impl<T: Transport> Driver<T> {
    fn new(transport: T, hub: Arc<HubState>, service: Arc<dyn Service>, opening: Opening) -> Self {
        let Opening { attached, identity, request } = opening;
        let expires = identity.expires_at().filter(|_| hub.options().close_on_authentication_expiration);
        hub.runs_here();
        Self {
            session: Session::server(Arc::clone(hub.session_options()), T::FORMAT, now()),
            line: Line::Up(transport),
            // Later than can be said is never.
            expires: expires.and_then(|at| now().checked_add(at.duration_since(SystemTime::now()).unwrap_or_default())),
            hub,
            service,
            attached,
            opening: Some((identity, request)),
            peer: None,
            subscribing: None,
            hook: None,
            was_connected: false,
            calls: Calls::default(),
            questions: HashMap::new(),
            commands: VecDeque::new(),
            moved: (0, 0),
            blocked: None,
            stuck: None,
            taken: 0,
            stopping: false,
            gone: None,
            reason: None,
            open: None,
        }
    }

    /// Does what can be done now, within a budget. What is ready is taken in before anything is written, so that
    /// everything for the socket leaves in one write.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<DisconnectReason> {
        let now = now();
        if timer.as_mut().poll(cx).is_ready() {
            self.handle_timeout(now);
        }
        self.line.poll_leave(cx);
        let mut budget = Budget::new();
        let mut receiving = true;
        loop {
            let progress = self.poll_receive(cx, now, &mut receiving, &mut budget)
                | self.poll_hook(cx)
                | self.poll_session(cx, now, &mut budget)
                | self.poll_calls(cx)
                | self.take_commands(cx);
            if progress && !budget.is_spent() && self.session.output_len() < WRITE_BATCH {
                continue;
            }
            let was_blocked = self.blocked.is_some();
            self.poll_write(cx, now, &mut budget);
            if budget.is_spent() {
                give_way(cx);
                break;
            }
            // What waited for the socket goes on with it. Once it blocks, all others are asked again, so that they wake
            // this task.
            if !progress && (self.blocked.is_some() || !was_blocked) {
                break;
            }
        }
        if self.session.is_closed() && self.session.output_len() == 0 && self.blocked.is_none() {
            if let Some(Output::Closed(ending)) = self.session.poll_output(now) {
                self.handle_ending(ending);
            }
            return Poll::Ready(self.reason.take().unwrap_or(DisconnectReason::Lost));
        }
        if self.gone.is_some()
            && let Some(peer) = &self.peer
        {
            // What is left to be done may take long: it is no member until then.
            self.hub.registry.remove(peer);
        }
        self.set_timer(cx, timer);
        Poll::Pending
    }

    /// Takes what the socket has, as long as there is room for it. `receiving` ends with the first time that it has
    /// nothing: it will wake this task.
    fn poll_receive(&mut self, cx: &mut Context<'_>, now: Instant, receiving: &mut bool, budget: &mut Budget) -> bool {
        let full = self.blocked.is_some() || !self.session.wants_input();
        if !*receiving || full || budget.is_spent() || self.session.is_closed() {
            return false;
        }
        let Line::Up(transport) = &mut self.line else { return false };
        let Poll::Ready(received) = transport.poll_receive(cx) else {
            *receiving = false;
            return false;
        };
        match received {
            Received::Bytes(bytes) => {
                // Also what brings none costs something.
                budget.spend_message();
                budget.spend_bytes(bytes.len());
                self.session.handle_bytes(now, bytes);
            }
            Received::End { closed: true } => self.set_gone(DisconnectReason::ClosedByClient),
            Received::End { closed: false } => self.set_gone(DisconnectReason::Lost),
            Received::Failed(why) => self.session.fail(ProtocolError::Transport(why)),
        }
        true
    }

    fn poll_hook(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(subscribing) = &mut self.subscribing {
            if subscribing.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.subscribing = None;
        }
        let Some(Poll::Ready(returned)) = self.hook.as_mut().map(|hook| hook.as_mut().poll(cx)) else { return false };
        self.hook = None;
        match returned {
            Ok(()) => self.was_connected = true,
            Err(error) => {
                events::hook_failed(self.hub.name(), &self.attached.id, "connected", &error);
                let detailed = self.hub.options().enable_detailed_errors;
                // What it sent before goes first.
                while self.take_commands(cx) {}
                self.session.close(Some(error.wire_text("Connection closed with an error.", detailed)), false);
            }
        }
        true
    }

    /// Takes what the client sent, unless the client has to wait: for the connected hook, for a place in an upload, or
    /// until it reads what was written to it.
    fn poll_session(&mut self, cx: &mut Context<'_>, now: Instant, budget: &mut Budget) -> bool {
        let mut progress = false;
        let was_full = !self.session.wants_input();
        while self.hook.is_none()
            && self.blocked.is_none()
            && !budget.is_spent()
            && self.session.output_len() < WRITE_BATCH
            && !self.calls.poll_stalled(cx)
        {
            match self.session.poll_output(now) {
                Some(output) => self.handle_output(cx, output),
                None if self.gone.is_none() || self.session.is_closed() => break,
                // What a client sent before it went is still done, one call after the other. What it was asked, it will
                // not answer any more.
                None if self.session.is_parked() => {
                    self.questions.clear();
                    break;
                }
                None => self.session.handle_end(now),
            }
            budget.spend_message();
            progress = true;
        }
        // What was looked at may be the beginning of a message, and make room for its rest.
        progress | (was_full && self.session.wants_input())
    }

    fn handle_output(&mut self, cx: &mut Context<'_>, output: Output) {
        match output {
            Output::Opened(codec) => self.open(codec),
            Output::Call(call) => self.begin(cx, call),
            Output::Cancelled(call) => {
                if let Some(peer) = &self.peer {
                    self.calls.cancel(peer, call);
                }
            }
            Output::UploadItem { call, upload, item } => self.calls.upload_item(cx, call, upload, item),
            Output::UploadEnd { call, upload, error } => self.calls.end_upload(call, upload, error),
            Output::Answered { id, outcome } => {
                self.hub.questions.remove(&id);
                if let Some(question) = self.questions.remove(&id) {
                    // Whoever asked may have gone.
                    let _ = question.send(outcome);
                }
            }
            Output::UnknownCompletion(id) if self.hub.questions.contains_key(&id) => {
                let connection = self.attached.id.to_string();
                self.session.fail(ProtocolError::AnswerOfAnother { connection, invocation: id.to_string() });
            }
            Output::UnknownCompletion(id) => events::unknown_completion(self.hub.name(), &self.attached.id, &id),
            Output::Ignored(what) => events::ignored(self.hub.name(), &self.attached.id, &what),
            Output::Closed(ending) => self.handle_ending(ending),
            // Streams are asked for by clients only; what the session settles by itself is no business of others.
            _ => {}
        }
    }

    fn open(&mut self, codec: Codec) {
        let Some((identity, request)) = self.opening.take() else { return };
        events::connected(self.hub.name(), &self.attached.id, codec.name(), identity.user_id());
        let peer = Arc::new(Peer::new(Arc::clone(&self.hub), self.attached.id.clone(), codec, identity, request));
        self.subscribing = self.hub.registry.add(&peer);
        // Counted and listed before the question, so that no shutdown misses it.
        self.open = Some(Open::new(&self.hub));
        if self.hub.shutdown.has_begun() {
            peer.end(End::Shutdown);
        }
        self.hook = Some(self.service.connected(&peer));
        self.peer = Some(peer);
    }

    fn begin(&mut self, cx: &mut Context<'_>, call: IncomingCall) {
        let Some(peer) = &self.peer else { return };
        let (key, target) = (call.key, call.target.clone());
        if self.stopping || self.hub.shutdown.has_begun() {
            let text = HubError::public("The server is shutting down.").wire_text(&not_invoked(&target), false);
            self.session.answer(key, Outcome::Error(text));
            return;
        }
        match self.service.start(peer, call) {
            Begun::Refused(text) => self.session.answer(key, Outcome::Error(text)),
            Begun::Running { work, kind, uploads } => {
                if let Some(finished) = self.calls.begin(cx, key, target, kind, work, uploads) {
                    self.answer(finished);
                }
            }
        }
    }

    fn poll_calls(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while let Some(finished) = self.calls.poll_finished(cx) {
            self.answer(finished);
            progress = true;
        }
        progress
    }

    fn answer(&mut self, finished: Finished) {
        // What the method sent to its caller comes before its answer (P-LT-16).
        match self.peer.as_ref().map(|peer| peer.outbox().push_answer(finished)) {
            Some(Answering::Now(finished)) => self.answer_now(finished),
            // The log has to know how it ended.
            Some(Answering::TooLate(finished)) => drop(outcome(&self.hub, &self.attached.id, finished)),
            Some(Answering::Queued) | None => {}
        }
    }

    fn answer_now(&mut self, finished: Finished) {
        let key = finished.key;
        self.session.answer(key, outcome(&self.hub, &self.attached.id, finished));
    }

    /// Moves what others want to send into the session.
    fn take_commands(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(peer) = &self.peer else { return false };
        let mut commands = std::mem::take(&mut self.commands);
        let end = peer.outbox().poll_take(cx, self.blocked.is_some(), &mut commands);
        let mut progress = end.is_some() || !commands.is_empty();
        for command in commands.drain(..) {
            match command {
                Command::Send(message) => {
                    self.moved = (self.moved.0 + 1, self.moved.1 + message.len());
                    self.session.send(message);
                }
                Command::Item(call, item) => {
                    self.moved = (self.moved.0 + 1, self.moved.1 + item.bytes().len());
                    self.session.item(call, item);
                }
                Command::Answer(finished) => self.answer_now(*finished),
                Command::Ask(ask) => {
                    if let Some(id) = &ask.invocation.id {
                        self.questions.insert(id.clone(), ask.answer);
                    }
                    self.session.invoke(ask.invocation, false);
                }
                Command::Forget(id) => {
                    self.questions.remove(&id);
                    self.session.cancel(&id);
                }
                Command::ReleaseSlot(call) => self.session.release_slot(call),
            }
        }
        if commands.capacity() <= 64 {
            // More is not kept for a connection that may be idle from now on.
            self.commands = commands;
        }
        match end {
            Some(End::Abort) => self.end(DisconnectReason::Aborted, None, false),
            Some(End::SlowReader) => {
                let error = "Connection closed with an error.".to_owned();
                self.end(DisconnectReason::SlowReader, Some(error), true);
            }
            Some(End::Shutdown) => {
                self.stopping = true;
                self.reason.get_or_insert(DisconnectReason::Shutdown);
            }
            Some(End::ShutdownNow) => {
                self.stopping = true;
                self.end(DisconnectReason::Shutdown, None, true);
            }
            None => {}
        }
        // Not before the last answers are in the session.
        if self.is_said() && !progress && self.blocked.is_none() && !self.session.is_closed() {
            self.session.close(None, true);
            progress = true;
        }
        progress
    }

    /// Gives the socket what there is for it, and tells the outbox what became of that.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant, budget: &mut Budget) {
        let before = self.stuck;
        match &mut self.line {
            // Senders need not wait for it.
            _ if self.subscribing.is_some() => self.stuck = self.stuck.or(Some(now)),
            Line::Up(transport) => {
                let format = self.session.codec().map_or(TransferFormat::Text, Codec::transfer_format);
                let flushed = loop {
                    let mut lost = false;
                    while transport.has_room()
                        && let Some(messages) = self.session.poll_write()
                    {
                        budget.spend_bytes(messages.len());
                        lost |= transport.send(messages, format).is_err();
                    }
                    let flushed = if lost { Poll::Ready(Err(Lost)) } else { transport.poll_flush(cx) };
                    if !matches!(flushed, Poll::Ready(Ok(()))) || self.session.output_len() == 0 {
                        break flushed;
                    }
                };
                match flushed {
                    Poll::Ready(Ok(())) => (self.blocked, self.stuck) = (None, None),
                    Poll::Ready(Err(Lost)) => self.set_gone(DisconnectReason::Lost),
                    Poll::Pending => {
                        self.blocked = self.blocked.or(Some(now));
                        let taken = transport.taken();
                        if self.stuck.is_none() || self.taken != taken {
                            (self.stuck, self.taken) = (Some(now), taken);
                        }
                    }
                }
            }
            Line::Leaving(_) | Line::Down => {}
        }
        if !matches!(self.line, Line::Up(_)) {
            // Nobody reads it.
            while self.session.poll_write().is_some() {}
        }
        let Some(peer) = &self.peer else { return };
        let taken = if self.session.output_len() == 0 && self.blocked.is_none() {
            std::mem::take(&mut self.moved)
        } else {
            (0, 0)
        };
        if taken.0 > 0 || self.stuck != before || !self.calls.is_empty() && peer.outbox().streams_wait() {
            peer.outbox().offered(taken.0, taken.1, self.stuck);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        if self.unblocked_by().is_some_and(|at| at <= now) {
            // Nothing more can be said to this client.
            let reason = if self.stopping { DisconnectReason::Shutdown } else { DisconnectReason::SendTimedOut };
            self.end(reason.clone(), None, true);
            self.set_gone(reason);
        }
        if self.expires.is_some_and(|at| at <= now) {
            self.expires = None;
            self.end(DisconnectReason::AuthenticationExpired, None, true);
        }
    }

    /// Until when the socket has to take what it was given. A shutdown does not wait long for it once the calls are done.
    fn unblocked_by(&self) -> Option<Instant> {
        let timeout = self.hub.options().transport_send_timeout;
        self.blocked.map(|since| since + if self.is_said() { timeout.min(LAST_WORDS) } else { timeout })
    }

    /// Whether the server stops and no call runs any more.
    fn is_said(&self) -> bool {
        self.stopping && (self.calls.is_empty() || self.session.is_closed())
    }

    fn set_timer(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) {
        let deadlines = [self.session.poll_timeout(), self.unblocked_by(), self.expires];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        // A deadline that has moved away is noticed when the timer fires: setting it anew costs more.
        if timer.is_elapsed() || timer.deadline().into_std() > next {
            timer.as_mut().reset(next.into());
            if timer.poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Nothing reaches the client any more, and its socket goes now. What it sent before is still served.
    fn set_gone(&mut self, reason: DisconnectReason) {
        if self.gone.is_some() {
            return;
        }
        match reason {
            DisconnectReason::ClosedByClient => self.line.leave(self.hub.options().web_socket_close_timeout),
            _ => self.line.cut(),
        }
        self.gone = Some(reason);
        (self.blocked, self.stuck) = (None, None);
        self.calls.drop_unwanted();
        let waited = self.peer.as_ref().map(|peer| peer.set_gone());
        for command in waited.into_iter().flatten() {
            if let Command::Answer(finished) = command {
                self.answer_now(*finished);
            }
        }
    }

    /// Ends the session from this side.
    fn end(&mut self, reason: DisconnectReason, error: Option<String>, allow_reconnect: bool) {
        if !self.session.is_closed() {
            self.session.close(error, allow_reconnect);
            self.reason = Some(reason);
        }
    }

    fn handle_ending(&mut self, ending: Ending) {
        self.reason = Some(match ending {
            Ending::HandshakeFailed(error) => {
                events::handshake_failed(self.hub.name(), &error.wire_text(true));
                DisconnectReason::ClosedByClient
            }
            Ending::PeerClosed { error: Some(error), .. } => DisconnectReason::ClientError(error),
            Ending::TransportEnded => self.gone.clone().unwrap_or(DisconnectReason::Lost),
            Ending::Protocol(error) => DisconnectReason::Protocol(error),
            Ending::TimedOut => DisconnectReason::TimedOut,
            _ => DisconnectReason::ClosedByClient,
        });
    }

    /// After the end: goodbye to the client, the disconnected hook, and the calls that go on without it.
    async fn finish(self: Box<Self>, reason: DisconnectReason) {
        let Self {
            line,
            hub,
            service,
            attached,
            peer,
            hook,
            mut was_connected,
            mut calls,
            questions,
            stopping,
            open: _open,
            ..
        } = *self;
        drop(questions);
        calls.connection_ended();
        let patience = hub.options().web_socket_close_timeout;
        let goodbye = line.left(if stopping { patience.min(LAST_WORDS) } else { patience });
        let leave = async {
            let Some(peer) = peer else { return };
            peer.set_gone();
            if let Some(hook) = hook {
                was_connected = hook.await.is_ok();
            }
            events::disconnected(hub.name(), peer.id(), &reason, peer.outbox().dropped());
            if was_connected && let Err(error) = service.disconnected(&peer, reason).await {
                events::hook_failed(hub.name(), peer.id(), "disconnected", &error);
            }
            hub.registry.remove(&peer);
        };
        // Nobody reads the outcome, but the log tells it.
        let drain = calls.drain(|finished| drop(outcome(&hub, &attached.id, finished)));
        join3(goodbye, leave, drain).await;
        hub.tokens.release(attached);
    }
}
