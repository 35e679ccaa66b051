//! What a node does all the time.

use std::sync::Arc;
use std::time::Duration;

use chat::{Chat, Departure};
use hub_server::HubHandle;
use redis_backplane::LinkState;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::node::{Change, Node};

/// Renews the lease of a node, three times in the time for which it holds; tells Redis what that has lost; and tells
/// people of what nobody asked for.
pub async fn keep(
    node: Arc<Node>,
    time: Duration,
    hub: HubHandle<Chat>,
    changes: UnboundedReceiver<Change>,
    mut link: watch::Receiver<LinkState>,
) {
    let renewing = async {
        let mut beats = beats(time);
        loop {
            beats.tick().await;
            // What went wrong has been logged, and is tried again.
            let _ = node.renew().await;
        }
    };
    // Beside it, for many people take their time.
    let settling = async {
        let (mut beats, mut missed) = (beats(time), false);
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                // While it was down, people of other nodes came and went, unheard by those here.
                Ok(()) = link.changed() => missed |= link.borrow_and_update().is_up(),
            }
            if node.settle(missed).await.is_ok() {
                missed = false;
            }
        }
    };
    tokio::join!(renewing, settling, announce(hub, changes));
}

fn beats(time: Duration) -> Interval {
    let mut beats = interval(time / 3);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

async fn announce(hub: HubHandle<Chat>, mut changes: UnboundedReceiver<Change>) {
    while let Some(change) = changes.recv().await {
        // To those who came as well: they may have been told of others who came before them.
        let told = match &change {
            Change::Came(Departure { room, presence }) => hub.group(room).joined(room, presence).await,
            Change::Left(Departure { room, presence }) => hub.group(room).left(room, presence).await,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "a room was not told who is there");
        }
    }
}
