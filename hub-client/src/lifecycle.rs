//! The life of a connection: driven while it is connected, tried again when it is lost, ended once.

use std::collections::VecDeque;
use std::sync::Arc;

use hub_core::CallError;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};

use crate::attempt::{Connector, Link, flush, part};
use crate::commands::{Command, not_connected};
use crate::driver::Driver;
use crate::error::Ended;
use crate::events;
use crate::options::WhileReconnecting;
use crate::reconnect::{Flaps, Reconnect, random};
use crate::state::{Shared, State};

/// Everything that a connection is, but for its handles.
pub(crate) struct Lifecycle {
    pub(crate) connector: Connector,
    pub(crate) driver: Driver,
    pub(crate) reconnect: Reconnect,
    pub(crate) shared: Arc<Shared>,
    /// The room in the send queue.
    pub(crate) room: Arc<Semaphore>,
}

impl Lifecycle {
    /// The first attempt, and everything behind it.
    pub(crate) async fn start(mut self) {
        let Self { connector, driver, .. } = &mut self;
        let while_connecting = connector.options.while_reconnecting;
        let connected = tokio::select! {
            biased;
            () = stopped(&mut driver.commands, &mut driver.waiting, while_connecting) => Err(Ended::Stopped),
            // P-CLI-03
            link = connector.attempt() => link.map_err(|error| Ended::NeverConnected(Box::new(error))),
        };
        match connected {
            Ok(link) => {
                self.shared.connected(link.id.clone());
                self.run(link).await;
            }
            Err(cause) => {
                self.shared.disconnected();
                events::closed(&cause);
                self.end(cause);
            }
        }
    }

    /// Everything from the first connection on.
    pub(crate) async fn run(mut self, mut link: Link) {
        let mut flaps = Flaps::default();
        // Since when, if it has come back.
        let mut back = None::<Instant>;
        let cause = loop {
            let ended = self.driver.run(&mut link).await;
            if let Some(back) = back {
                flaps.lost_after(back.elapsed());
            }
            let policy = if ended.may_reconnect() { self.reconnect.clone() } else { Reconnect::never() };
            // No delay at the first question: straight to the end (P-CLI-04).
            if policy.delays(flaps, random).next().is_none() {
                self.shared.disconnected();
                self.driver.fail(&ended);
                self.leave(link, ended == Ended::Stopped).await;
                break ended;
            }
            events::reconnecting(&ended);
            // First of all the state: whoever sees a call fail finds that no other can be made.
            self.shared.reconnecting(ended.clone());
            self.driver.fail(&ended);
            part(link.transport, self.connector.options.close_timeout);
            match self.connect_again(&policy, flaps).await {
                Ok(next) => {
                    back = Some(Instant::now());
                    self.shared.reconnected(next.id.clone());
                    link = next;
                }
                Err(cause) => {
                    self.shared.disconnected();
                    break cause;
                }
            }
        };
        events::closed(&cause);
        self.end(cause);
    }

    fn end(&mut self, cause: Ended) {
        self.room.close();
        self.driver.commands.close();
        for command in self.driver.waiting.drain(..) {
            refuse(command);
        }
        while let Ok(command) = self.driver.commands.try_recv() {
            refuse(command);
        }
        // The notices that came are still handled.
        self.driver.notices.end();
        self.shared.closed_by(cause);
    }

    /// Says what is left to say, and goodbye.
    async fn leave(&mut self, link: Link, stopped: bool) {
        let Link { mut transport, mut session, .. } = link;
        let patience = self.connector.options.close_timeout;
        if session.output_len() > 0 {
            flush(&mut transport, &mut session, self.driver.codec, patience).await;
        }
        // The close frame goes out too, for a program may be over at once.
        let _ = timeout(patience, transport.close()).await;
        if stopped {
            // So the server's is waited for as well, unlike on .NET (P-CLS-10): the socket of a program that ends is
            // reset when something was not read from it, and ASP.NET Core drops what it has not read from that one.
            let _ = timeout(patience, transport.wait_closed()).await;
            return;
        }
        part(transport, patience);
    }

    /// Tries until it succeeds, the delays are used up, or nobody wants it any more.
    async fn connect_again(&mut self, policy: &Reconnect, flaps: Flaps) -> Result<Link, Ended> {
        let began = Instant::now();
        let Self { connector, driver, .. } = self;
        let while_reconnecting = connector.options.while_reconnecting;
        let attempts = async {
            let mut last = None;
            let mut failed = 0;
            for delay in policy.delays(flaps, random) {
                sleep(delay).await;
                match connector.attempt().await {
                    Ok(link) => {
                        events::reconnected(failed + 1);
                        return Ok(link);
                    }
                    Err(error) => {
                        failed += 1;
                        events::attempt_failed(failed, &error);
                        last = Some(error);
                    }
                }
            }
            // P-CLI-05
            Err(match last {
                Some(last) => Ended::GaveUp { attempts: failed, elapsed: began.elapsed(), last: Box::new(last) },
                None => Ended::Stopped,
            })
        };
        tokio::select! {
            biased;
            () = stopped(&mut driver.commands, &mut driver.waiting, while_reconnecting) => Err(Ended::Stopped),
            link = attempts => link,
        }
    }
}

impl Drop for Lifecycle {
    /// A task can be dropped with its runtime, or end by a panic. Nobody waits for ever then.
    fn drop(&mut self) {
        if self.shared.ended().is_none() {
            let cause = Ended::Lost("The connection was lost: its task is gone, maybe with its runtime.".to_owned());
            // A first attempt that fails drops this too, and says so itself.
            if self.shared.state() != State::Connecting {
                events::closed(&cause);
            }
            self.shared.disconnected();
            self.driver.fail(&cause);
            self.end(cause);
        }
    }
}

/// Takes what is asked while there is no connection, until that is to stop (P-CLI-06).
async fn stopped(
    commands: &mut UnboundedReceiver<Command>,
    waiting: &mut VecDeque<Command>,
    while_reconnecting: WhileReconnecting,
) {
    if while_reconnecting == WhileReconnecting::Refuse {
        waiting.drain(..).for_each(refuse);
    }
    loop {
        match commands.recv().await {
            None | Some(Command::Stop) => return,
            Some(later @ (Command::Call(_) | Command::Flush(_))) if while_reconnecting == WhileReconnecting::Wait => {
                waiting.push_back(later);
            }
            Some(Command::Cancel(id)) => waiting.retain(|command| match command {
                Command::Call(call) => call.invocation.id.as_ref() != Some(&id),
                _ => true,
            }),
            Some(other) => refuse(other),
        }
    }
}

fn refuse(command: Command) {
    if let Command::Call(call) = command {
        let error: CallError = not_connected(&call.invocation.target);
        call.waiting.fail(error);
    }
}
