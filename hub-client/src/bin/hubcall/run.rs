//! What the command line asks for, done.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use hub_client::{Builder, Connection, Ended};
use hub_core::{Args, ArgumentList, Codec};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{Sender, channel};

use crate::args::{Call, Command, MAX_TIMEOUT, What};
use crate::failure::{Failure, complain};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::value::{Printable, Value};

/// How many messages may wait to be printed before the client reads no more.
const MESSAGE_BUFFER: usize = 256;

/// How long the server may take to say goodbye: it may be busy with what nobody waits for any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same when its goodbye is the only sign that it has read what was sent.
const CLOSE_TIMEOUT_OF_SEND: Duration = Duration::from_secs(5);

/// Connects, does it, and closes the connection.
pub(crate) async fn run(command: Command, interrupt: Interrupt) -> Result<(), Failure> {
    match command.codec {
        Codec::Json => Run { timeout: command.timeout, interrupt }.run::<Box<RawValue>>(command).await,
        Codec::MessagePack => Run { timeout: command.timeout, interrupt }.run::<Value>(command).await,
    }
}

struct Run {
    timeout: Option<Duration>,
    interrupt: Interrupt,
}

impl Run {
    /// `T` is what values of the protocol are read as.
    async fn run<T: Printable>(&self, command: Command) -> Result<(), Failure> {
        let builder = builder(&command);
        match command.what {
            What::Listen { names, count } => self.listen::<T>(builder, names, count).await,
            What::Call(call) => self.on(builder, async |connection| self.call::<T>(connection, call).await).await,
            What::Send(call) => self.on(builder, async |connection| self.send(connection, call).await).await,
            What::Stream(call) => self.on(builder, async |connection| self.stream::<T>(connection, call).await).await,
        }
    }

    /// Does something on a connection, which is closed whatever comes of it.
    async fn on(
        &self,
        builder: Builder,
        work: impl AsyncFnOnce(&Connection) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let connection = self.connect(builder).await?;
        let outcome = self.interrupt.or(work(&connection)).await;
        connection.stop().await;
        match (outcome, connection.closed().await) {
            // A call that came too late to be sent does not know why the connection has ended.
            (Err(Failure::Connection(_)), ended) if ended != Ended::Stopped => Err(ended.into()),
            (outcome, _) => outcome,
        }
    }

    async fn connect(&self, builder: Builder) -> Result<Connection, Failure> {
        let connected = self.within("connection", async { Ok(builder.connect().await?) });
        self.interrupt.or(connected).await
    }

    async fn call<T: Printable>(&self, connection: &Connection, call: Call) -> Result<(), Failure> {
        let Call { method, arguments } = call;
        let called = async { Ok(connection.invoke::<T>(&method, ArgumentList(arguments)).await?) };
        let result = self.within("answer", called).await?;
        let mut output = Output::new();
        if !result.is_null() {
            output.line(&result.line())?;
        }
        output.flush()
    }

    async fn send(&self, connection: &Connection, call: Call) -> Result<(), Failure> {
        let Call { method, arguments } = call;
        let sent = async {
            connection.send(&method, ArgumentList(arguments)).await?;
            Ok(connection.flush().await?)
        };
        self.within("room to send", sent).await
    }

    async fn stream<T: Printable>(&self, connection: &Connection, call: Call) -> Result<(), Failure> {
        let Call { method, arguments } = call;
        let mut items = connection.stream::<T>(&method, ArgumentList(arguments));
        let mut output = Output::new();
        loop {
            let item = match items.next().now_or_never() {
                Some(item) => item,
                None => {
                    output.flush()?;
                    self.within("item", items.next().map(Ok)).await?
                }
            };
            match item {
                Some(Ok(item)) => output.line(&item.line())?,
                Some(Err(error)) => {
                    output.flush()?;
                    return Err(error.into());
                }
                None => return output.flush(),
            }
            // However fast the items come, Ctrl-C is heard.
            tokio::task::coop::consume_budget().await;
        }
    }

    async fn listen<T: Printable>(
        &self,
        mut builder: Builder,
        names: Vec<String>,
        count: Option<u64>,
    ) -> Result<(), Failure> {
        let (tell, mut messages) = channel(MESSAGE_BUFFER);
        for name in names {
            builder = handle::<T>(builder, &name, tell.clone());
        }
        // From here on only the connection's handlers tell.
        drop(tell);
        let connection = self.connect(builder).await?;
        let mut output = Output::new();
        let mut left = count;
        let printing = async {
            while left != Some(0) {
                let message = match messages.recv().now_or_never() {
                    Some(message) => message,
                    None => {
                        output.flush()?;
                        let next = async {
                            tokio::select! {
                                biased;
                                message = messages.recv() => Ok(message),
                                ended = connection.closed() => Err(ended.into()),
                            }
                        };
                        self.within("message", next).await?
                    }
                };
                let Some(message) = message else { break };
                output.line(&message)?;
                left = left.map(|left| left - 1);
                tokio::task::coop::consume_budget().await;
            }
            output.flush()
        };
        let outcome = self.interrupt.or(printing).await;
        let lost = matches!(outcome, Err(Failure::Connection(_)));
        if !lost {
            // No handler is to wait for somebody to print more.
            messages.close();
        }
        connection.stop().await;
        // What came before the end is printed, however slowly it is read.
        drop(connection);
        if lost {
            while left != Some(0)
                && let Some(message) = messages.recv().await
            {
                output.line(&message)?;
                left = left.map(|left| left - 1);
            }
            output.flush()?;
        }
        // As many as were asked for are enough, whatever came then.
        if left == Some(0) { Ok(()) } else { outcome }
    }

    async fn within<T>(&self, what: &str, done: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(limit) = self.timeout else { return done.await };
        tokio::time::timeout(limit, done).await.unwrap_or_else(|_| Err(Failure::timed_out(what, limit)))
    }
}

fn builder(command: &Command) -> Builder {
    let close_timeout = if matches!(command.what, What::Send(_)) { CLOSE_TIMEOUT_OF_SEND } else { CLOSE_TIMEOUT };
    let mut builder = Connection::builder(&*command.url).protocol(command.codec).close_timeout(close_timeout);
    if let Some(token) = &command.token {
        builder = builder.access_token(token);
    }
    for (name, value) in &command.headers {
        builder = builder.header(name, value);
    }
    for host in &command.trusted {
        builder = builder.trust_host(host);
    }
    if let Some(limit) = command.receive_limit {
        builder = builder.receive_limit(limit);
    }
    if command.timeout.is_some() {
        // It is for all the steps to a connection, whichever of them takes so long.
        builder = builder.request_timeout(MAX_TIMEOUT).handshake_timeout(MAX_TIMEOUT);
    }
    if let Some(proxy) = &command.proxy {
        builder = builder.proxy(proxy);
    }
    if command.no_proxy {
        builder = builder.no_proxy();
    }
    if command.skip_negotiation {
        builder = builder.skip_negotiation();
    }
    builder
}

/// Has what the hub calls by this name told, a line each.
fn handle<T: Printable>(builder: Builder, name: &str, tell: Sender<String>) -> Builder {
    let target = serde_json::Value::from(name).to_string();
    builder.on(name, move |arguments: Args| {
        let tell = tell.clone();
        let arguments = arguments.payload().read::<T>();
        let line = arguments.map(|list| format!("{{\"target\":{target},\"arguments\":{}}}", list.line()));
        async move {
            match line {
                // When nobody prints any more, nobody misses it.
                Ok(line) => _ = tell.send(line).await,
                Err(error) => complain(format_args!("hubcall: a message cannot be read: {}", error.detail())),
            }
        }
    })
}
