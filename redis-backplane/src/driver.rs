//! The task that keeps the link: dials, tells it all subscriptions, runs it until it is lost, and begins again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::error::ConnectError;
use crate::events;
use crate::lane::Lane;
use crate::link::{Dial, DialError, Link, Lost, TO_DO};
use crate::outage::Outage;
use crate::publishing::publish;
use crate::receiver::Receiver;
use crate::state::Counting;

/// Of how many channels Redis is told in one write.
const CHANNELS: usize = 1000;
/// How often losses are logged, if there are any.
const LOSS_WINDOW: Duration = Duration::from_secs(1);
/// How long the half of a link that publishes may take to be made again, before all of it is.
const MENDING: Duration = Duration::from_secs(1);

/// Runs until the last handle is dropped. The first attempt's outcome is told once.
pub(crate) async fn run(
    lane: Arc<Lane>,
    dialler: Arc<impl Dial>,
    first: Option<oneshot::Sender<Result<(), ConnectError>>>,
    closed: watch::Receiver<bool>,
) {
    let telling = async {
        loop {
            let lost = lane.outbox.gives_up().await;
            Counting::add(&lane.counting.lost_out, lost);
        }
    };
    tokio::select! {
        refused = links(&lane, &*dialler, first, &closed) => if refused { return },
        () = telling => {}
    }
    lane.board.remove(lane.number);
    lane.subscriptions.down();
    let left = lane.outbox.len();
    Counting::add(&lane.counting.lost_out, left);
    lane.outbox.close("the backplane was closed");
    events::losses(&lane.counting);
    events::closed(&lane.options.servers, left);
}

/// One link after the other, until all is closed. Whether already the first was refused.
async fn links(
    lane: &Arc<Lane>,
    dialler: &impl Dial,
    mut first: Option<oneshot::Sender<Result<(), ConnectError>>>,
    closed: &watch::Receiver<bool>,
) -> bool {
    let mut outage = Outage::default();
    loop {
        let started = Instant::now();
        let head_start = outage.head_start(&lane.options);
        let Err(error) = session(lane, dialler, head_start, &mut first, closed).await else { return false };
        if let DialError::Refused(why) = &error
            && let Some(first) = first.take()
        {
            let _ = first.send(Err(ConnectError::Refused(why.clone())));
            return true;
        }
        if lane.board.is_up(lane.number) {
            outage.begin(started.elapsed(), &lane.options);
        } else {
            outage.is_long();
        }
        let delay = outage.delay(&lane.options, matches!(error, DialError::Refused(_)));
        down(lane, &error, delay, &mut outage);
        if let Some(first) = first.take() {
            let _ = first.send(Ok(()));
        }
        tokio::select! {
            () = sleep(delay) => {}
            () = wait_closed(closed) => return false,
        }
    }
}

async fn wait_closed(closed: &watch::Receiver<bool>) {
    // The sender is dropped with the last handle: that is what is waited for.
    let _ = closed.clone().wait_for(|closed| *closed).await;
}

fn down(lane: &Lane, error: &DialError, retry: Duration, outage: &mut Outage) {
    let why = error.why();
    lane.board.down(lane.number, why);
    lane.subscriptions.down();
    // Who sends is told what happened, not what to do about it.
    lane.outbox.down(why.split(TO_DO).next().unwrap_or(why));
    if outage.is_news(why) {
        events::down(&lane.options.servers, why, retry);
    } else {
        events::still_down(&lane.options.servers, why, retry);
    }
}

/// One link from dialling to its loss; `Ok` when the backplane was closed and all is sent.
async fn session(
    lane: &Arc<Lane>,
    dialler: &impl Dial,
    mut head_start: Duration,
    first: &mut Option<oneshot::Sender<Result<(), ConnectError>>>,
    closed: &watch::Receiver<bool>,
) -> Result<(), DialError> {
    let limit = lane.options.connect_timeout;
    let receiver = Receiver::new(lane);
    // However this ends, nothing of this link is delivered behind it.
    let _gate = receiver.gate();
    let connecting = async {
        let link = dialler.dial(receiver).await?;
        let subscriptions = lane.subscriptions.forget();
        while !lane.subscriptions.up() {
            tell(lane, &*link, lane.subscriptions.changes_now(CHANNELS)).await?;
        }
        Ok::<_, DialError>((link, subscriptions))
    };
    let connected = tokio::select! {
        connected = timeout(limit, connecting) => connected,
        () = wait_closed(closed) => return Ok(()),
    };
    let (link, subscriptions) = match connected {
        Ok(connected) => connected?,
        Err(_) => return Err(DialError::NotThere(format!("it took longer than {limit:?}, the connect_timeout"))),
    };
    lane.outbox.up(link.largest_message());
    lane.board.up(lane.number);
    Counting::add(&lane.counting.links, 1);
    events::up(&lane.options.servers, subscriptions);
    if let Some(first) = first.take() {
        let _ = first.send(Ok(()));
    }
    let link = &*link;
    let mut listening = pin!(listen(lane, link));
    let mut mended: Option<Instant> = None;
    loop {
        let head_start = std::mem::take(&mut head_start);
        let mut publishing = pin!(async {
            sleep(head_start).await;
            publish(lane, link).await
        });
        let lost = tokio::select! {
            lost = &mut listening => return Err(lost.into()),
            lost = link.cut() => lost,
            lost = &mut publishing => lost,
            lost = check(lane, link) => lost,
            () = wait_closed(closed) => {
                // Nobody is left to wait for it: what is accepted is sent. What cannot be is counted by who calls.
                let finishing = async {
                    tokio::select! {
                        _ = &mut publishing => {}
                        () = lane.outbox.settled() => {}
                    }
                };
                let _ = timeout(lane.options.response_timeout, finishing).await;
                return Ok(());
            }
        };
        if mended.is_some_and(|at| at.elapsed() < lane.options.longest_retry) {
            // That did not last: Redis is not to be dialled as often as it answers.
            tokio::select! {
                lost = &mut listening => return Err(lost.into()),
                () = sleep(lane.options.first_retry) => {}
            }
        }
        // What listens misses nothing by that.
        match timeout(limit.min(MENDING), link.mend()).await {
            Ok(Ok(true)) => {
                mended = Some(Instant::now());
                events::mended(&lane.options.servers, &lost.0);
            }
            _ => return Err(lost.into()),
        }
    }
}

/// The half of a link that listens, until it is lost.
async fn listen(lane: &Lane, link: &dyn Link) -> Lost {
    tokio::select! {
        lost = link.lost() => lost,
        lost = subscribe(lane, link) => lost,
        lost = ping(lane, link) => lost,
        lost = log_losses(lane) => lost,
    }
}

async fn tell(lane: &Lane, link: &dyn Link, changes: crate::subscriptions::Changes) -> Result<(), Lost> {
    // A channel is in one of them only.
    let subscribing = link.subscribe(&changes.subscribe);
    let unsubscribing = link.unsubscribe(&changes.unsubscribe);
    tokio::try_join!(subscribing, unsubscribing)?;
    lane.subscriptions.confirmed(&changes.subscribe);
    Ok(())
}

async fn subscribe(lane: &Lane, link: &dyn Link) -> Lost {
    loop {
        let changes = lane.subscriptions.changes(CHANNELS).await;
        if let Err(lost) = tell(lane, link, changes).await {
            return lost;
        }
    }
}

async fn ping(lane: &Lane, link: &dyn Link) -> Lost {
    loop {
        sleep(lane.options.ping_interval).await;
        if let Err(lost) = link.ping().await {
            return lost;
        }
    }
}

async fn log_losses(lane: &Lane) -> Lost {
    loop {
        sleep(LOSS_WINDOW).await;
        events::losses(&lane.counting);
    }
}

/// Sees to it that Redis is there, and that it has the secrets, as often as the options say.
///
/// Redis may lose a secret while the link is up: it is flushed, or evicts keys, or fails over to who did not have it yet.
/// A node that starts then would have another one kept, and its tokens would be good nowhere else. So that an idle link
/// stays idle, one question about one secret stands for a ping.
async fn check(lane: &Lane, link: &dyn Link) -> Lost {
    let mut turn = 0;
    let mut all = true;
    loop {
        if all {
            for node in lane.nodes() {
                if let Err(lost) = lane.keep_secret(&node, link).await {
                    return lost;
                }
            }
        }
        tokio::select! {
            () = lane.proposed.notified() => {
                all = true;
                continue;
            }
            () = sleep(lane.options.ping_interval) => {}
        }
        let asked = match lane.secret_is_kept(turn, link).await {
            Ok(kept) => {
                // Where one is lost, others may be.
                all = kept == Some(false);
                kept.is_some()
            }
            Err(lost) => return lost,
        };
        if let Err(lost) = link.check(asked).await {
            return lost;
        }
        turn = turn.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests;
