//! The driver of a connected socket: the only task that touches it and its session.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::Codec;
use hub_core::message::Outcome;
use hub_core::session::{Ending, IncomingCall, Output, Wants};
use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::attempt::Link;
use crate::calls::Calls;
use crate::commands::{Command, Outgoing, Waiting};
use crate::error::Ended;
use crate::events;
use crate::handlers::{Handlers, NoticeInbox, Question, Unanswered};
use crate::inbox::{Fill, OVERFULL, Scales};
use crate::polled::{Arrivals, Arrived};
use crate::transport::{Lost, Received};
use crate::uploads::Uploads;

/// How much is collected before it is written.
const WRITE_BATCH: usize = 64 * 1024;

/// What goes on from one socket to the next.
pub(crate) struct Driver {
    pub(crate) codec: Codec,
    pub(crate) commands: UnboundedReceiver<Command>,
    /// What was asked while there was no connection.
    pub(crate) waiting: VecDeque<Command>,
    /// To itself, for the answers of handlers. It does not keep the connection open.
    pub(crate) to_self: WeakUnboundedSender<Command>,
    pub(crate) calls: Calls,
    pub(crate) uploads: Uploads,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) notices: Arc<NoticeInbox>,
    pub(crate) unanswered: Unanswered,
    pub(crate) scales: Scales,
    /// How many bytes were read from all sockets so far.
    pub(crate) read: u64,
    /// Where questions go instead of to the handlers, when the application drains.
    pub(crate) arrivals: Option<Arc<Arrivals>>,
    /// Whether too many notices waited when last looked at.
    pub(crate) pressed: bool,
    /// Which of the connections that follow each other this is.
    pub(crate) epoch: u64,
    pub(crate) server_timeout: Duration,
    /// Those who wait until everything is written.
    pub(crate) flushing: Vec<oneshot::Sender<()>>,
}

/// How it stands with one socket.
struct Pump<'a> {
    driver: &'a mut Driver,
    link: &'a mut Link,
    /// The socket takes nothing at the moment.
    blocked: bool,
    ended: Option<Ended>,
}

impl Driver {
    /// Runs until the connection ends. What is left to be written, a Close message, is still in the session.
    pub(crate) async fn run(&mut self, link: &mut Link) -> Ended {
        let mut pump = Pump { driver: self, link, blocked: false, ended: None };
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let ended = poll_fn(|cx| pump.poll(cx, timer.as_mut())).await;
        self.epoch += 1;
        ended
    }

    /// Nothing that was asked of the last connection is answered any more (P-CLS-12).
    pub(crate) fn fail(&mut self, cause: &Ended) {
        self.uploads.clear();
        self.flushing.clear();
        self.calls.fail(&cause.of_call());
    }
}

impl Pump<'_> {
    /// Does all that can be done now. What is ready is taken in before anything is written, so that everything for the
    /// socket leaves in one write.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Ended> {
        let now = now();
        if timer.as_mut().poll(cx).is_ready() {
            self.link.session.handle_timeout(now);
        }
        let mut receiving = true;
        loop {
            let progress = self.poll_receive(cx, now, &mut receiving)
                | self.poll_session(cx, now)
                | self.poll_commands(cx)
                | self.poll_uploads(cx);
            if self.ended.is_some() {
                break;
            }
            if progress && self.link.session.output_len() < WRITE_BATCH {
                continue;
            }
            let was_blocked = self.blocked;
            self.poll_write(cx);
            // What waited for the socket goes on with it. Once it blocks, all others are asked again, so that they wake
            // this task.
            if !progress && (self.blocked || !was_blocked) {
                break;
            }
        }
        if let Some(ended) = self.ended.take() {
            return Poll::Ready(ended);
        }
        self.set_timer(cx, timer);
        Poll::Pending
    }

    /// Takes what the socket has, as long as there is room for it. `receiving` ends with the first time that it has
    /// nothing: it will wake this task.
    fn poll_receive(&mut self, cx: &mut Context<'_>, now: Instant, receiving: &mut bool) -> bool {
        if !*receiving || !self.link.session.wants_input() || self.link.session.is_closed() {
            return false;
        }
        let Poll::Ready(received) = self.link.transport.poll_receive(cx) else {
            *receiving = false;
            return false;
        };
        match received {
            Received::Bytes(bytes) => self.take(now, bytes),
            Received::End(why) => {
                *receiving = false;
                // What came before the end is taken first, and may say more.
                self.take_rest(now);
                self.link.session.handle_end(now);
                if self.ended.is_none() {
                    self.ended = Some(Ended::Lost(why));
                }
            }
            Received::Failed(error) => self.link.session.fail(error),
        }
        true
    }

    fn take(&mut self, now: Instant, bytes: Bytes) {
        self.driver.read += bytes.len() as u64;
        self.link.session.handle_bytes(now, bytes);
    }

    /// Takes what the hub sent, unless readers or handlers have to catch up first.
    fn poll_session(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let was_full = !self.link.session.wants_input();
        let mut progress = false;
        while self.ended.is_none()
            && self.link.session.output_len() < WRITE_BATCH
            && !self.poll_stalled(cx)
            && let Some(output) = self.link.session.poll_output(now)
        {
            self.handle_output(output);
            progress = true;
        }
        // The beginning of a message gives no output, but room for the rest of it.
        progress || was_full && self.link.session.wants_input()
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        // Each answer comes here, and the question is looked at anew.
        if self.driver.unanswered.bytes() > OVERFULL {
            return true;
        }
        let mut notices = Fill::Room;
        if self.driver.pressed {
            (notices, _) = self.driver.notices.poll_level(cx);
            self.driver.pressed = notices > Fill::Room;
        }
        self.driver.calls.poll_stalled(cx, notices)
    }

    fn handle_output(&mut self, output: Output) {
        match output {
            Output::Call(call) => self.begin(call),
            Output::Item { id, item } => self.driver.calls.item(&id, item, self.driver.read),
            Output::Answered { id, outcome } => {
                self.driver.uploads.stop(&id);
                self.driver.calls.answered(&id, outcome, self.driver.codec);
            }
            Output::UnknownCompletion(id) => events::unknown_completion(&id),
            Output::Ignored(what) => events::ignored(&what),
            Output::Closed(ending) => self.ended = Some(self.ended_by(ending)),
            // Neither handshakes nor streams from a hub come here.
            _ => {}
        }
    }

    fn ended_by(&self, ending: Ending) -> Ended {
        match ending {
            Ending::PeerClosed { error, allow_reconnect } => Ended::ByServer { error, allow_reconnect },
            Ending::Protocol(error) => Ended::Protocol(error),
            Ending::TimedOut => Ended::TimedOut(self.driver.server_timeout),
            _ => Ended::Lost("The server closed the connection.".to_owned()),
        }
    }

    /// The hub calls: notices wait for each other, questions for nobody (P-CR-09).
    fn begin(&mut self, call: IncomingCall) {
        let IncomingCall { key, target, arguments, wants, .. } = call;
        let size = arguments.payload().bytes().len();
        if wants == Wants::Nothing {
            self.driver.pressed |= self.driver.notices.push((target, arguments), size, self.driver.read) > Fill::Room;
            self.link.session.answer(key, Outcome::Void);
            return;
        }
        let size = self.driver.scales.weigh(size, self.driver.read);
        let Driver { handlers, arrivals, to_self, epoch, unanswered, .. } = &*self.driver;
        let share = unanswered.add(size);
        let question = Question { share, target, arguments, key, epoch: *epoch, answer_to: to_self.clone() };
        match arrivals {
            None => question.spawn(handlers),
            Some(arrivals) => arrivals.push(Arrived::Question(question)),
        }
    }

    /// Takes what handles and handlers want, as fast as the socket takes it.
    fn poll_commands(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !self.blocked && self.ended.is_none() && self.link.session.output_len() < WRITE_BATCH {
            let command = match self.driver.waiting.pop_front() {
                Some(command) => Some(command),
                None => match self.driver.commands.poll_recv(cx) {
                    Poll::Ready(command) => command,
                    Poll::Pending => break,
                },
            };
            // Without handles nobody wants the connection any more.
            self.handle_command(command.unwrap_or(Command::Stop));
            progress = true;
        }
        progress
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Call(call) if call.waiting.is_over() => {}
            Command::Call(call) => self.call(call),
            Command::Cancel(id) => {
                let uploaded = self.driver.uploads.cancel(&id, &mut self.link.session);
                let waiting = self.driver.calls.remove(&id);
                // Whoever reads an upload learns it by its end, and may put things in order (P-CAN-01).
                if !uploaded || matches!(waiting, Some(Waiting::ForItems(_))) {
                    self.link.session.cancel(&id);
                }
            }
            Command::Answer { epoch, key, outcome, share } => {
                drop(share);
                if epoch == self.driver.epoch {
                    self.link.session.answer(key, outcome);
                }
            }
            Command::Flush(written) => self.driver.flushing.push(written),
            Command::Stop => {
                // P-CLS-10
                self.link.session.close(None, false);
                self.ended = Some(Ended::Stopped);
            }
        }
    }

    fn call(&mut self, call: Outgoing) {
        let Outgoing { invocation, waiting, uploads, room: _ } = call;
        let streaming = matches!(waiting, Waiting::ForItems(_));
        let id = invocation.id.clone();
        self.link.session.invoke(invocation, streaming);
        self.driver.uploads.insert(id.as_ref(), uploads);
        match (id, waiting) {
            (Some(id), waiting) => self.driver.calls.insert(id, waiting),
            // Whoever asked may have gone.
            (None, Waiting::ToBeSent(sent)) => _ = sent.send(Ok(())),
            (None, _) => {}
        }
    }

    fn poll_uploads(&mut self, cx: &mut Context<'_>) -> bool {
        let room = !self.blocked && self.ended.is_none() && self.link.session.output_len() < WRITE_BATCH;
        room && self.driver.uploads.poll(cx, self.driver.codec, &mut self.link.session)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        let Link { transport, session, .. } = &mut *self.link;
        loop {
            while transport.has_room()
                && let Some(messages) = session.poll_write()
            {
                if let Err(Lost(why)) = transport.send(&messages, self.driver.codec.transfer_format()) {
                    self.lost(cx, why);
                    return;
                }
            }
            match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.blocked = false,
                Poll::Ready(Err(Lost(why))) => {
                    self.lost(cx, why);
                    return;
                }
                Poll::Pending => {
                    self.blocked = true;
                    return;
                }
            }
            if session.output_len() == 0 {
                for written in self.driver.flushing.drain(..) {
                    // Whoever asked may have gone.
                    let _ = written.send(());
                }
                return;
            }
        }
    }

    /// Nothing can be written any more. What came before is still there to be read: notices, answers, and a Close message
    /// that says why, if there is one.
    fn lost(&mut self, cx: &mut Context<'_>, why: String) {
        let now = now();
        self.take_rest(now);
        while self.ended.is_none()
            && let Poll::Ready(Received::Bytes(bytes)) = self.link.transport.poll_receive(cx)
        {
            self.take(now, bytes);
            self.take_rest(now);
        }
        self.ended.get_or_insert(Ended::Lost(why));
    }

    /// Takes what has come in, whoever has to catch up: no more comes behind it.
    fn take_rest(&mut self, now: Instant) {
        while self.ended.is_none()
            && let Some(output) = self.link.session.poll_output(now)
        {
            self.handle_output(output);
        }
    }

    fn set_timer(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) {
        let Some(next) = self.link.session.poll_timeout() else { return };
        // A deadline that has moved away is noticed when the timer fires: setting it anew costs more.
        if timer.is_elapsed() || timer.deadline().into_std() > next {
            timer.as_mut().reset(next.into());
            if timer.poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// The time as tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
