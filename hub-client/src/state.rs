//! What a connection is, and what becomes of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use futures_core::Stream;
use hub_core::ConnectionId;
use tokio::sync::{mpsc, watch};

use crate::error::Ended;
use crate::lock;
use crate::polled::{Arrivals, Arrived};
use crate::teller::Order;

/// What a connection is at the moment (P-CLI-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has ended, and stays so.
    Disconnected,
    /// The first attempt is under way. Only a [`Polled`](crate::Polled) connection is seen like this: another is given
    /// out when it has succeeded.
    Connecting,
    /// Calls are possible.
    Connected,
    /// It was lost, and is tried again.
    Reconnecting,
}

/// What becomes of a connection (P-CLI-04).
///
/// An event comes when the notices that the hub had sent before are handled, if that does not take longer than the
/// [`close_timeout`](crate::Builder::close_timeout). The [`State`] changes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first attempt has succeeded, under this id: none where nothing is negotiated. Only a
    /// [`Polled`](crate::Polled) connection tells it: another is given out when that has happened.
    Connected(Option<ConnectionId>),
    /// It was lost for this cause, and will be tried again.
    Reconnecting(Ended),
    /// It is back, under this id: none where nothing is negotiated. The hub knows it as a new connection: groups have
    /// to be joined again.
    Reconnected(Option<ConnectionId>),
    /// It has ended for this cause. The last event.
    Closed(Ended),
}

/// The events of a connection, from when it was asked for. See [`Connection::events`](crate::Connection::events).
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

/// The end of a connection.
#[derive(Debug, Clone)]
struct End {
    cause: Ended,
    /// Whether it was told: the notices that came before it are handled.
    told: bool,
}

/// What the driver's task tells the handles.
pub(crate) struct Shared {
    state: watch::Sender<State>,
    end: watch::Sender<Option<End>>,
    id: Mutex<Option<ConnectionId>>,
    /// Events are rare, so nothing is lost for those who are slow to take them. `None` once all is over.
    subscribers: Mutex<Option<Vec<mpsc::UnboundedSender<Event>>>>,
    /// Where everything goes that waits for the application to drain, if it does so.
    arrivals: Option<Arc<Arrivals>>,
    /// Where events wait for the notices before them, unless the application drains.
    order: OnceLock<Order>,
}

impl Shared {
    pub(crate) fn new(arrivals: Option<Arc<Arrivals>>) -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            end: watch::Sender::new(None),
            id: Mutex::new(None),
            subscribers: Mutex::new(Some(Vec::new())),
            arrivals,
            order: OnceLock::new(),
        }
    }

    /// From now on events wait for the notices before them.
    pub(crate) fn keep_order(&self, order: Order) {
        let _ = self.order.set(order);
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(crate) fn watch_state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn id(&self) -> Option<ConnectionId> {
        lock(&self.id).clone()
    }

    /// Why it has ended, if it has, told or not.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.end.borrow().as_ref().map(|end| end.cause.clone())
    }

    /// Waits for the end, and until that was told, unless the one who waits is what telling it waits for.
    pub(crate) async fn closed(&self, in_handler: bool) -> Ended {
        let mut end = self.end.subscribe();
        // The sender lives as long as this does.
        match end.wait_for(|end| end.as_ref().is_some_and(|end| end.told || in_handler)).await {
            Ok(end) => end.as_ref().map_or(Ended::Stopped, |end| end.cause.clone()),
            Err(_) => Ended::Stopped,
        }
    }

    pub(crate) fn events(&self) -> Events {
        let (sender, events) = mpsc::unbounded_channel();
        match &mut *lock(&self.subscribers) {
            Some(subscribers) => {
                subscribers.retain(|subscriber| !subscriber.is_closed());
                subscribers.push(sender);
            }
            None => {
                if let Some(ended) = self.ended() {
                    let _ = sender.send(Event::Closed(ended));
                }
            }
        }
        Events(events)
    }

    pub(crate) fn arrivals(&self) -> Option<&Arc<Arrivals>> {
        self.arrivals.as_ref()
    }

    pub(crate) fn connected(&self, id: Option<ConnectionId>) {
        lock(&self.id).clone_from(&id);
        self.state.send_replace(State::Connected);
        self.report(Event::Connected(id));
    }

    pub(crate) fn reconnecting(&self, cause: Ended) {
        *lock(&self.id) = None;
        self.state.send_replace(State::Reconnecting);
        self.report(Event::Reconnecting(cause));
    }

    pub(crate) fn reconnected(&self, id: Option<ConnectionId>) {
        lock(&self.id).clone_from(&id);
        self.state.send_replace(State::Connected);
        self.report(Event::Reconnected(id));
    }

    /// No more calls; why comes with [`closed_by`](Self::closed_by).
    pub(crate) fn disconnected(&self) {
        *lock(&self.id) = None;
        self.state.send_replace(State::Disconnected);
    }

    pub(crate) fn closed_by(&self, cause: Ended) {
        self.end.send_replace(Some(End { cause: cause.clone(), told: false }));
        self.report(Event::Closed(cause));
    }

    /// Has an event told, in its turn.
    fn report(&self, event: Event) {
        if let Some(arrivals) = &self.arrivals {
            arrivals.push(Arrived::Event(event.clone()));
        }
        let untold = match self.order.get() {
            Some(order) => order.put(event).err(),
            None => Some(event),
        };
        if let Some(event) = untold {
            self.tell(&event);
        }
    }

    /// Tells those who listen.
    pub(crate) fn tell(&self, event: &Event) {
        let is_last = matches!(event, Event::Closed(_));
        if is_last {
            self.end.send_modify(|end| end.iter_mut().for_each(|end| end.told = true));
        }
        let mut subscribers = lock(&self.subscribers);
        if let Some(subscribers) = &mut *subscribers {
            // Those who listen no more are forgotten.
            subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        }
        if is_last {
            subscribers.take();
        }
    }
}
