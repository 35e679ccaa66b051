//! What is for connections that live on another node than the one that made their ids: it came here, and is sent on to
//! where they are, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hub_core::ConnectionId;
use hub_core::backplane::{Attachment, Delivery, Framed, Topic};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout};

use crate::events;

/// How many bytes of messages may wait to be sent on. An inbox must not wait, so more than that is lost.
const WAITING: usize = 64 * 1024 * 1024;
/// What a message costs beside its bytes.
const OVERHEAD: usize = 128;
/// How many are taken out at once. One by one, this task would be told to give way long before the one that receives.
const AT_ONCE: usize = 1024;
/// How often losses are logged, if there are any.
const LOSS_WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Forward {
    connection: ConnectionId,
    message: Framed,
}

impl Forward {
    fn cost(&self) -> usize {
        let bytes = [&self.message.json, &self.message.messagepack].into_iter().flatten();
        bytes.map(|bytes| bytes.len()).sum::<usize>() + OVERHEAD
    }
}

/// The queue of what is sent on.
#[derive(Debug)]
pub(super) struct Forwards {
    queue: UnboundedSender<Forward>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What those cost that wait.
    waiting: AtomicUsize,
    /// How many found no room, and were not logged yet.
    refused: AtomicU64,
}

impl Forwards {
    /// Begins to send on, until this is dropped.
    pub(super) fn begin(attachment: Arc<dyn Attachment>) -> Self {
        let (queue, forwards) = mpsc::unbounded_channel();
        let state = Arc::default();
        tokio::spawn(send_on(attachment, forwards, Arc::clone(&state)));
        Self { queue, state }
    }

    /// Puts a message behind the others.
    pub(super) fn put(&self, connection: ConnectionId, message: Framed) {
        let forward = Forward { connection, message };
        let cost = forward.cost();
        let before = self.state.waiting.fetch_add(cost, Ordering::Relaxed);
        // A single larger one passes when nothing else waits. Where something waits, the task that logs is awake.
        if before > 0 && before + cost > WAITING {
            self.state.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.state.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            // It is received as long as this is not dropped, or the runtime ends.
            let _ = self.queue.send(forward);
        }
    }
}

async fn send_on(attachment: Arc<dyn Attachment>, mut forwards: UnboundedReceiver<Forward>, state: Arc<State>) {
    let mut batch = Vec::new();
    let (mut lost, mut why, mut logged) = (0, String::new(), Instant::now());
    loop {
        let coming = forwards.recv_many(&mut batch, AT_ONCE);
        let wait = if lost > 0 { LOSS_WINDOW.saturating_sub(logged.elapsed()) } else { Duration::MAX };
        let ended = timeout(wait, coming).await == Ok(0);
        for forward in batch.drain(..) {
            let cost = forward.cost();
            let Forward { connection, message } = forward;
            let direct = Delivery::Direct { message, to: vec![connection.clone()] };
            if let Err(error) = attachment.publish(&Topic::Connection(connection), &direct).await {
                (lost, why) = (lost + 1, error.to_string());
            }
            state.waiting.fetch_sub(cost, Ordering::Relaxed);
        }
        let refused = state.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            (lost, why) = (lost + refused, format!("more than {WAITING} bytes wait to be sent on"));
        }
        if lost > 0 && (ended || logged.elapsed() >= LOSS_WINDOW) {
            events::not_forwarded(lost, &why);
            (lost, logged) = (0, Instant::now());
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use hub_core::backplane::{Backplane, Delivery, Framed, InProcess, Inbox, Topic};
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::{Forwards, WAITING};

    struct Sizes(UnboundedSender<usize>);

    impl Inbox for Sizes {
        fn deliver(&self, _: &Topic, delivery: Delivery) {
            let Delivery::Direct { message: Framed { json: Some(json), .. }, .. } = delivery else { return };
            let _ = self.0.send(json.len());
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_lost_and_counted_and_a_single_large_one_passes() {
        let backplane = InProcess::new();
        let (sizes, mut received) = unbounded_channel();
        let elsewhere = backplane.attach("Chat", Arc::new(Sizes(sizes)));
        elsewhere.subscribe(&Topic::Connection("moved".into())).await;
        let (nothing, _) = unbounded_channel();
        let forwards = Forwards::begin(backplane.attach("Chat", Arc::new(Sizes(nothing))));
        let put = |size| {
            let message = Framed { json: Some(vec![b' '; size].into()), messagepack: None };
            forwards.put("moved".into(), message);
        };
        put(WAITING + 1);
        put(1);
        assert_eq!(forwards.state.refused.load(Ordering::Relaxed), 1);
        assert_eq!(received.recv().await, Some(WAITING + 1));
        // It is sent on, so there is room, as soon as the task has said so.
        tokio::task::yield_now().await;
        put(2);
        put(3);
        assert_eq!((received.recv().await, received.recv().await), (Some(2), Some(3)));
        assert_eq!(forwards.state.refused.load(Ordering::Relaxed), 0, "it was logged, or is about to be");
    }
}
