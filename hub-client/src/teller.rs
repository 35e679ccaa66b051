//! Tells events in their turn: behind the notices that came before them.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::handlers::NoticeInbox;
use crate::state::{Event, Shared};

/// Where events are put to be told. There are few of them: a reconnect waits for the network between two.
pub(crate) struct Order {
    notices: Arc<NoticeInbox>,
    events: UnboundedSender<(u64, Event)>,
}

impl Order {
    /// # Errors
    /// The event, when there is nobody to tell it any more.
    pub(crate) fn put(&self, event: Event) -> Result<(), Event> {
        self.events.send((self.notices.pushed(), event)).map_err(|untold| untold.0.1)
    }
}

/// The task that tells them.
pub(crate) struct Teller {
    shared: Arc<Shared>,
    notices: Arc<NoticeInbox>,
    events: UnboundedReceiver<(u64, Event)>,
    /// The next one, while it waits.
    next: Option<Event>,
    patience: Duration,
}

impl Teller {
    /// Has events wait for the handlers of these notices, each at most so long.
    pub(crate) fn new(shared: Arc<Shared>, notices: Arc<NoticeInbox>, patience: Duration) -> Self {
        let (put, events) = unbounded_channel();
        shared.keep_order(Order { notices: Arc::clone(&notices), events: put });
        Self { shared, notices, events, next: None, patience }
    }

    /// Runs until the last event is told.
    pub(crate) async fn run(mut self) {
        while let Some((notices, event)) = self.events.recv().await {
            let is_last = matches!(event, Event::Closed(_));
            self.next = Some(event);
            let done = poll_fn(|cx| self.notices.poll_done(cx, notices));
            // A handler that takes longer is overtaken.
            let _ = timeout(self.patience, done).await;
            self.tell_next();
            if is_last {
                return;
            }
        }
    }

    fn tell_next(&mut self) {
        if let Some(event) = self.next.take() {
            self.shared.tell(&event);
        }
    }
}

impl Drop for Teller {
    /// A task can be dropped with its runtime, and the handlers with it: nobody waits for ever then.
    fn drop(&mut self) {
        self.tell_next();
        self.events.close();
        while let Ok((_, event)) = self.events.try_recv() {
            self.shared.tell(&event);
        }
    }
}
