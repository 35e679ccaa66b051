//! Calls whose results come when the application drains.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::stream::LocalBoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use hub_core::{Arguments, CallError};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::arrivals::Bell;
use crate::connection::Connection;

/// What is done with the state when something is ready.
pub(super) type Then<S> = Box<dyn FnOnce(&mut S)>;

/// What is polled in drains.
pub(super) type Task<S> = LocalBoxStream<'static, Then<S>>;

/// Calls the hub without waiting for it: results are handed to closures when the application drains. A handle, and cheap
/// to clone; see [`Polled`](crate::Polled).
///
/// Calls leave in the order in which they are made, at once, while the drawing goes on.
pub struct Calls<S: 'static> {
    connection: Connection,
    runtime: Handle,
    bell: Arc<Bell>,
    started: Rc<RefCell<Vec<Task<S>>>>,
}

impl<S> Calls<S> {
    pub(super) fn new(connection: Connection, runtime: Handle, bell: Arc<Bell>) -> Self {
        Self { connection, runtime, bell, started: Rc::default() }
    }

    /// Calls `target` without wanting an answer. Success means that the call was handed over, in order. One that waits for
    /// a connection that does not come back ([`Wait`](crate::WhileReconnecting::Wait)) is gone with it, which is an event:
    /// [`Event::Closed`](crate::Event::Closed).
    ///
    /// # Errors
    /// When there is no connection, an argument cannot be encoded, or the send queue is full
    /// ([`send_buffer`](crate::Builder::send_buffer)): nothing is sent then.
    pub fn send(&self, target: &str, arguments: impl Arguments) -> Result<(), CallError> {
        self.post(self.connection.send(target, arguments))
    }

    /// Sends a notice by the proxy of a contract: `hub.post(proxy.moved(x, y))`, with `proxy` from
    /// `GameHubProxy::new(hub.connection().clone())`.
    ///
    /// It is for methods without an arrow, which want no answer; for others there is [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// As for [`send`](Self::send). And for a method that does want an answer: it may have been called then.
    pub fn post(&self, notice: impl Future<Output = Result<(), CallError>>) -> Result<(), CallError> {
        // It waits for nothing but room, and is dropped before it has any.
        notice.now_or_never().unwrap_or_else(|| {
            Err(CallError::Refused("The send queue is full, or this is no notice but waits for an answer.".to_owned()))
        })
    }

    /// Calls `target`, and hands the result to `then` when it has come. Every call has one result, which may be that there
    /// is no connection.
    pub fn invoke<T: DeserializeOwned + Send + 'static>(
        &self,
        target: &str,
        arguments: impl Arguments + 'static,
        then: impl FnOnce(&mut S, Result<T, CallError>) + 'static,
    ) {
        let (connection, target) = (self.connection.clone(), target.to_owned());
        self.spawn(async move { connection.invoke(&target, arguments).await }, then);
    }

    /// Begins a future at once, goes on with it in drains, and hands what it gives to `then`. It need not be `Send`.
    ///
    /// ```no_run
    /// # use hub_client::Polled;
    /// # use hub_core::{CallError, Result, contract};
    /// # #[contract]
    /// # pub trait GameHub { async fn join(&self, name: &str) -> Result<u32>; async fn ready(&self) -> Result<()>; }
    /// # struct Game { number: Option<u32> }
    /// # fn run(hub: &Polled<Game>) {
    /// let proxy = GameHubProxy::new(hub.connection().clone());
    /// let join = async move {
    ///     let number = proxy.join("Ann").await?;
    ///     proxy.ready().await?;
    ///     Ok::<u32, CallError>(number)
    /// };
    /// hub.spawn(join, |game: &mut Game, number| game.number = number.ok());
    /// # }
    /// ```
    ///
    /// It may use tokio's timers and sockets.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static, then: impl FnOnce(&mut S, T) + 'static) {
        let mut future = future.boxed_local();
        let _inside = self.runtime.enter();
        // Whatever wakes it before the next drain rings the bell.
        let begun = future.poll_unpin(&mut Context::from_waker(&self.bell.waker()));
        let future = match begun {
            Poll::Pending => future,
            Poll::Ready(value) => {
                self.bell.ring();
                std::future::ready(value).boxed_local()
            }
        };
        let task = async move {
            let value = future.await;
            let then: Then<S> = Box::new(move |state| then(state, value));
            then
        };
        self.started.borrow_mut().push(stream::once(task).boxed_local());
    }

    /// Hands every item of a stream to `each`, in drains: of one from the hub, such as
    /// `hub.connection().stream::<u32>("Countdown", (10,))` or what a proxy's method gives, or of any other.
    pub fn for_each<T: 'static>(&self, items: impl Stream<Item = T> + 'static, each: impl FnMut(&mut S, T) + 'static) {
        let each = Rc::new(RefCell::new(each));
        let task = items.map(move |item| {
            let each = Rc::clone(&each);
            let then: Then<S> = Box::new(move |state| (each.borrow_mut())(state, item));
            then
        });
        self.started.borrow_mut().push(task.boxed_local());
        // Somebody has to look at it for the first time.
        self.bell.ring();
    }

    /// The connection, for proxies and streams. What its futures wait for comes in drains, so await them nowhere else.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn take_started(&self) -> Vec<Task<S>> {
        self.started.take()
    }
}

impl<S> Clone for Calls<S> {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            runtime: self.runtime.clone(),
            bell: Arc::clone(&self.bell),
            started: Rc::clone(&self.started),
        }
    }
}

impl<S> fmt::Debug for Calls<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("connection", &self.connection).finish_non_exhaustive()
    }
}
