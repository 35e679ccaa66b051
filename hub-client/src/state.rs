//! What a connection is, and what becomes of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_core::Stream;
use hub_core::ConnectionId;
use tokio::sync::{mpsc, watch};

use crate::error::Ended;
use crate::lock;
use crate::polled::{Arrivals, Arrived};

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

/// What the driver's task tells the handles.
pub(crate) struct Shared {
    state: watch::Sender<State>,
    ended: watch::Sender<Option<Ended>>,
    id: Mutex<Option<ConnectionId>>,
    /// Events are rare, so nothing is lost for those who are slow to take them. `None` once all is over.
    subscribers: Mutex<Option<Vec<mpsc::UnboundedSender<Event>>>>,
    /// Where everything goes that waits for the application to drain, if it does so.
    arrivals: Option<Arc<Arrivals>>,
}

impl Shared {
    pub(crate) fn new(arrivals: Option<Arc<Arrivals>>) -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            ended: watch::Sender::new(None),
            id: Mutex::new(None),
            subscribers: Mutex::new(Some(Vec::new())),
            arrivals,
        }
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

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }

    pub(crate) async fn closed(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as this does.
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ended::Stopped),
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
        self.tell(&Event::Connected(id));
    }

    pub(crate) fn reconnecting(&self, cause: Ended) {
        *lock(&self.id) = None;
        self.state.send_replace(State::Reconnecting);
        self.tell(&Event::Reconnecting(cause));
    }

    pub(crate) fn reconnected(&self, id: Option<ConnectionId>) {
        lock(&self.id).clone_from(&id);
        self.state.send_replace(State::Connected);
        self.tell(&Event::Reconnected(id));
    }

    /// No more calls; why comes with [`closed_by`](Self::closed_by).
    pub(crate) fn disconnected(&self) {
        *lock(&self.id) = None;
        self.state.send_replace(State::Disconnected);
    }

    pub(crate) fn closed_by(&self, cause: Ended) {
        self.ended.send_replace(Some(cause.clone()));
        self.tell(&Event::Closed(cause));
        lock(&self.subscribers).take();
    }

    fn tell(&self, event: &Event) {
        if let Some(arrivals) = &self.arrivals {
            arrivals.push(Arrived::Event(event.clone()));
        }
        if let Some(subscribers) = &mut *lock(&self.subscribers) {
            // Those who listen no more are forgotten.
            subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        }
    }
}
