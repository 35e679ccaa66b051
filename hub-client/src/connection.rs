//! The handle of a connection.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use hub_core::message::{Invocation, Target};
use hub_core::{
    Answers, Args, Arguments, CallError, Codec, ConnectionId, InvocationId, Items, Payload, Remote, Streams,
};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot, watch};
use tokio::time::timeout;

use crate::builder::Builder;
use crate::commands::{Command, ItemInbox, Outgoing, Turn, Waiting, not_connected};
use crate::error::Ended;
use crate::handlers::Handlers;
use crate::inbox::Inbox;
use crate::on::{self, Handler, Registered};
use crate::options::{Options, WhileReconnecting};
use crate::state::{Events, Shared, State};

/// What a call takes of the send queue beside its arguments.
const CALL_SIZE: usize = 256;

/// Where the answer of a call comes.
type Answered = oneshot::Receiver<Result<Payload, CallError>>;

/// A connection to a hub. A handle, and cheap to clone: the connection ends with [`stop`](Self::stop), or when the last
/// handle is dropped.
///
/// Give it to the proxy of a contract, or call by name:
///
/// ```no_run
/// # async fn run() -> Result<(), hub_core::CallError> {
/// let connection = hub_client::Connection::builder("https://example.org/chat").connect().await?;
/// let sum: i32 = connection.invoke("Add", (1, 2)).await?;
/// connection.send("Typing", ("lobby",)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    /// How long this handle waits for answers.
    deadline: Option<Duration>,
}

struct Inner {
    commands: UnboundedSender<Command>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    handlers: Arc<Handlers>,
    codec: Codec,
    options: Arc<Options>,
    /// Where the connection is driven. Its clock serves deadlines too, for callers may have none.
    runtime: OnceLock<Handle>,
    /// Of calls and uploads; it goes on when the connection is made again (P-INV-16).
    last_id: AtomicU64,
}

impl Connection {
    /// Begins to make a connection to the hub at this address: `http`, `https`, `ws` or `wss`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    pub(crate) fn new(
        commands: UnboundedSender<Command>,
        room: Arc<Semaphore>,
        shared: Arc<Shared>,
        handlers: Arc<Handlers>,
        codec: Codec,
        options: Arc<Options>,
    ) -> Self {
        let (runtime, last_id) = (OnceLock::new(), AtomicU64::new(0));
        let inner = Inner { commands, room, shared, handlers, codec, options, runtime, last_id };
        Self { inner: Arc::new(inner), deadline: None }
    }

    /// Says where it is driven, once.
    pub(crate) fn runs_on(&self, runtime: Handle) {
        let _ = self.inner.runtime.set(runtime);
    }

    /// Calls `target` and waits for its result.
    ///
    /// Dropping the future cancels the call: the hub is told (`CancelInvocation`, P-CX-01), and an answer that still comes
    /// is nobody's. A method that does not take part in its cancellation runs to its end all the same, with hubs of
    /// `hub-server` and of ASP.NET Core 11 alike; before 11 every one there did (P-CX-02, P-CAN-05). A call that uploads is
    /// told by the end of its uploads instead, as by .NET (P-CAN-01).
    ///
    /// # Errors
    /// See [`CallError`]: the call was refused, failed on the hub, or lost its connection; or the result is no `T`.
    pub async fn invoke<T: DeserializeOwned + Send>(
        &self,
        target: &str,
        arguments: impl Arguments,
    ) -> Result<T, CallError> {
        Answers::invoke(self, target, arguments).await
    }

    /// The same connection, whose calls are given up as [`CallError::TimedOut`] when no answer has come within this time,
    /// and cancelled as if their futures were dropped. It is for one call, or for a proxy, and includes what a call waits
    /// for before it is sent. Streams have no deadline.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use hub_core::{CallError, Result, contract};
    /// # #[contract]
    /// # pub trait ChatHub { async fn say(&self, room: &str, text: &str) -> Result<u64>; }
    /// # async fn run(connection: hub_client::Connection) -> Result<(), CallError> {
    /// let chat = ChatHubProxy::new(connection.with_deadline(Duration::from_secs(2)));
    /// chat.say("lobby", "hello").await?;
    /// let sum: i32 = connection.with_deadline(Duration::from_millis(100)).invoke("Add", (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), deadline: Some(deadline) }
    }

    /// Calls `target` without waiting for an answer. Success means that the call was handed over to a connection, in order;
    /// with [`WhileReconnecting::Wait`] that is waited for. What is handed over cannot be cancelled: the hub is told nothing
    /// (P-CX-09).
    ///
    /// # Errors
    /// When there is no connection, or an argument cannot be encoded.
    pub async fn send(&self, target: &str, arguments: impl Arguments) -> Result<(), CallError> {
        Remote::send(self, target, arguments).await
    }

    /// Calls the streaming method `target`. Dropping the items cancels the stream (P-CAN-01).
    pub fn stream<T: DeserializeOwned + Send + 'static>(&self, target: &str, arguments: impl Arguments) -> Items<T> {
        Streams::stream(self, target, arguments)
    }

    /// Handles calls of the hub by name, until what this returns is dropped.
    ///
    /// ```no_run
    /// # use hub_client::Connection;
    /// # use hub_core::HubError;
    /// # fn register(connection: &Connection) {
    /// let said = connection.on("Said", |room: String, text: String| async move {
    ///     println!("#{room} {text}");
    /// });
    /// let asked = connection.on("Confirm", |question: String| async move {
    ///     Ok::<bool, HubError>(question.ends_with('?'))
    /// });
    /// # }
    /// ```
    ///
    /// Notices are handled one after the other, in the order in which they came, by all handlers of their name in the
    /// order of registration. Questions do not wait for notices, and are answered by the one handler that returns a
    /// `Result` (P-CR-07).
    pub fn on<A>(&self, name: &str, handler: impl Handler<A>) -> Registered {
        on::register(&self.inner.handlers, name, handler)
    }

    /// What the connection is, and when that changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.inner.shared.watch_state()
    }

    /// What becomes of the connection from now on. It ends with [`Event::Closed`](crate::Event::Closed).
    pub fn events(&self) -> Events {
        self.inner.shared.events()
    }

    /// The id by which the hub knows this connection. None while it is not connected, and where nothing was negotiated.
    pub fn id(&self) -> Option<ConnectionId> {
        self.inner.shared.id()
    }

    /// The protocol that is spoken.
    pub fn protocol(&self) -> Codec {
        self.inner.codec
    }

    /// Waits until the connection has ended for good, and the notices that came before its end are handled: as long as
    /// [`close_timeout`](Builder::close_timeout) at most. A handler that waits here for the end of its own connection is
    /// not waited for.
    pub async fn closed(&self) -> Ended {
        self.inner.shared.closed(self.inner.handlers.are_asking()).await
    }

    /// Waits until every call that was handed over before is with the operating system. It says nothing of whether the
    /// hub got it: only an answer does.
    ///
    /// # Errors
    /// When the connection is lost before.
    pub async fn flush(&self) -> Result<(), CallError> {
        let (written, flushed) = oneshot::channel();
        let sent = self.inner.commands.send(Command::Flush(written));
        let lost = || CallError::Closed("The connection ended before everything was sent.".to_owned());
        sent.map_err(|_| lost())?;
        flushed.await.map_err(|_| lost())
    }

    /// Closes the connection, for all its handles: what was handed over before is sent, then a Close message
    /// (P-CLS-10). It waits until the server has taken its leave too, as long as
    /// [`close_timeout`](Builder::close_timeout) at most: a program that is over earlier may take with it what the server
    /// has not read. Then for the end, as [`closed`](Self::closed) does.
    pub async fn stop(&self) {
        self.begin_stop();
        self.closed().await;
    }

    pub(crate) fn begin_stop(&self) {
        // It fails when the connection has ended already.
        let _ = self.inner.commands.send(Command::Stop);
    }

    /// What goes over the wire for a call, and how large it is.
    fn outgoing<A: Arguments>(
        &self,
        target: &str,
        arguments: A,
        waiting: Waiting,
    ) -> Result<(Outgoing, usize), CallError> {
        let payload = arguments.encode(self.inner.codec)?;
        let size = CALL_SIZE + payload.bytes().len();
        let uploads = arguments.into_uploads();
        if uploads.len() != A::UPLOADS {
            return Err(CallError::Refused("An upload that came in cannot be sent on.".to_owned()));
        }
        // Streams are numbered before their call (P-INV-16).
        let uploads: Vec<_> = uploads.into_iter().map(|upload| (self.next_id(), upload)).collect();
        let invocation = Invocation {
            headers: Vec::new(),
            id: (!matches!(waiting, Waiting::Nobody)).then(|| self.next_id()),
            target: Target::from(target),
            arguments: Args::new(payload),
            streams: uploads.iter().map(|(id, _)| id.clone()).collect(),
        };
        Ok((Outgoing { invocation, waiting, uploads, room: None }, size))
    }

    fn next_id(&self) -> InvocationId {
        InvocationId::numbered(self.inner.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn check_connected(&self, target: &str) -> Result<(), CallError> {
        match self.inner.shared.state() {
            State::Connected => Ok(()),
            State::Connecting | State::Reconnecting
                if self.inner.options.while_reconnecting == WhileReconnecting::Wait =>
            {
                Ok(())
            }
            _ => Err(not_connected(target)),
        }
    }

    /// Waits for room in the send queue, in the order of asking (P-CLI-11). What is larger than the queue waits for all of
    /// it.
    async fn room(&self, target: &str, size: usize) -> Result<OwnedSemaphorePermit, CallError> {
        let size = u32::try_from(size.min(self.inner.options.send_buffer)).unwrap_or(u32::MAX);
        let room = match Arc::clone(&self.inner.room).try_acquire_many_owned(size) {
            Err(TryAcquireError::NoPermits) => {
                let room = Arc::clone(&self.inner.room).acquire_many_owned(size).await.ok();
                // The connection may have been lost meanwhile.
                self.check_connected(target)?;
                room
            }
            room => room.ok(),
        };
        // It is closed with the connection.
        room.ok_or_else(|| not_connected(target))
    }

    /// Hands over a call that wants no answer. Without a connection that succeeds only when there is one again: nobody
    /// else would learn that there is none any more. Where the application drains, nothing waits.
    async fn hand_over(&self, target: &str, mut call: Outgoing, size: usize) -> Result<(), CallError> {
        call.room = Some(self.room(target, size).await?);
        let shared = &self.inner.shared;
        if shared.state() == State::Connected || shared.arrivals().is_some() {
            return self.push(call);
        }
        let (tell, sent) = oneshot::channel();
        call.waiting = Waiting::ToBeSent(tell);
        self.push(call)?;
        sent.await.unwrap_or(Err(CallError::Cancelled))
    }

    /// Hands a call over, and waits for its answer.
    async fn answer(
        &self,
        target: &str,
        mut call: Outgoing,
        size: usize,
        answered: Answered,
    ) -> Result<Payload, CallError> {
        call.room = Some(self.room(target, size).await?);
        let id = call.invocation.id.clone();
        self.push(call)?;
        let mut cancel = Cancel { connection: self, id };
        let answered = answered.await;
        cancel.id = None;
        // Its task never ends without an answer, unless the runtime does.
        answered.unwrap_or(Err(CallError::Cancelled))
    }

    /// What a call waits for, given up at a deadline. It is boxed, so that calls without one are no larger for it.
    fn in_time<'a, T: 'a>(
        &'a self,
        deadline: Duration,
        done: impl Future<Output = Result<T, CallError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, CallError>> {
        Box::pin(async move {
            let done = {
                let _inside = self.inner.runtime.get().map(Handle::enter);
                timeout(deadline, done)
            };
            done.await.unwrap_or(Err(CallError::TimedOut))
        })
    }

    fn push(&self, call: Outgoing) -> Result<(), CallError> {
        self.inner.commands.send(Command::Call(call)).map_err(|refused| match refused.0 {
            Command::Call(call) => not_connected(&call.invocation.target),
            _ => not_connected(""),
        })
    }
}

impl Remote for Connection {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        self.check_connected(target)?;
        let (call, size) = self.outgoing(target, arguments, Waiting::Nobody)?;
        match self.deadline {
            None => self.hand_over(target, call, size).await,
            Some(deadline) => self.in_time(deadline, self.hand_over(target, call, size)).await,
        }
    }
}

impl Answers for Connection {
    async fn invoke<A: Arguments, T: DeserializeOwned + Send>(
        &self,
        target: &str,
        arguments: A,
    ) -> Result<T, CallError> {
        self.check_connected(target)?;
        let (answer, answered) = oneshot::channel();
        let waiting = match self.inner.shared.arrivals() {
            None => Waiting::ForAnswer(answer),
            Some(arrivals) => Waiting::ForTurn(Box::new(Turn { answer, arrivals: Arc::clone(arrivals) })),
        };
        let (call, size) = self.outgoing(target, arguments, waiting)?;
        let result = match self.deadline {
            None => self.answer(target, call, size, answered).await?,
            Some(deadline) => self.in_time(deadline, self.answer(target, call, size, answered)).await?,
        };
        result.read_result()
    }
}

impl Streams for Connection {
    fn stream<A: Arguments, T: DeserializeOwned + Send + 'static>(&self, target: &str, arguments: A) -> Items<T> {
        let items = Arc::new(Inbox::new(self.inner.options.stream_buffer));
        let called = self.check_connected(target).and_then(|()| {
            let (call, _) = self.outgoing(target, arguments, Waiting::ForItems(Arc::clone(&items)))?;
            let id = call.invocation.id.clone();
            self.push(call)?;
            Ok(id)
        });
        let id = called.unwrap_or_else(|error| {
            Waiting::ForItems(Arc::clone(&items)).fail(error);
            None
        });
        Items::new(Box::pin(Download { items, id, connection: self.clone() }))
    }
}

/// Cancels a call when whoever waits for it is gone before the answer.
struct Cancel<'a> {
    connection: &'a Connection,
    id: Option<InvocationId>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let _ = self.connection.inner.commands.send(Command::Cancel(id));
        }
    }
}

/// The items of a stream as they came. It keeps the connection open.
struct Download {
    items: Arc<ItemInbox>,
    /// Until the stream has ended.
    id: Option<InvocationId>,
    connection: Connection,
}

impl Stream for Download {
    type Item = Result<Payload, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.items.poll_take(cx));
        if !matches!(item, Some(Ok(_))) {
            self.id = None;
        }
        Poll::Ready(item)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        drop(Cancel { connection: &self.connection, id: self.id.take() });
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { shared, codec, .. } = &*self.inner;
        f.debug_struct("Connection")
            .field("state", &shared.state())
            .field("id", &shared.id())
            .field("protocol", codec)
            .finish_non_exhaustive()
    }
}
