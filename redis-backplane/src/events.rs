//! Every log line of the crate. Passwords and what is published are in none of them.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::options::RedisServers;
use crate::state::{Counting, Losses};
use crate::wire::WireError;

pub(crate) fn up(servers: &RedisServers, subscriptions: usize) {
    info!(%servers, subscriptions, "the link to Redis is up");
}

pub(crate) fn down(servers: &RedisServers, why: &str, retry: Duration) {
    warn!(%servers, why, ?retry, "the link to Redis is down: other nodes are not reached");
}

pub(crate) fn still_down(servers: &RedisServers, why: &str, retry: Duration) {
    debug!(%servers, why, ?retry, "Redis could not be reached again");
}

/// Once a window, whatever was lost in it.
pub(crate) fn losses(counting: &Counting) {
    let Losses { out, refused: (refused, why), lost_in, unreadable, why_unreadable } = counting.losses();
    if out > refused {
        warn!(lost = out - refused, "publications were not confirmed by Redis: other nodes may not have them");
    }
    if refused > 0 {
        warn!(refused, why, "Redis refused publications: other nodes do not have them");
    }
    if lost_in > 0 {
        warn!(lost = lost_in, "deliveries of other nodes did not arrive");
    }
    if let Some(why) = why_unreadable.filter(|_| unreadable > 0) {
        warn!(refused = unreadable, %why, "messages on our channels could not be read");
    }
}

pub(crate) fn unreadable(channel: &[u8], error: WireError) {
    debug!(channel = %channel.escape_ascii(), %error, "a message was refused");
}

/// The way that publishes was cut, and made again; what was under way is published again.
pub(crate) fn mended(servers: &RedisServers, why: &str) {
    info!(%servers, why, "the connection to Redis that publishes was made again");
}

pub(crate) fn speaks_the_old_protocol(address: &str, why: &str) {
    debug!(address, why, "Redis refused HELLO: RESP2 is spoken with it");
}

pub(crate) fn secret_unknown(hub: &str, why: &str) {
    error!(hub, why, "the secret that the nodes have in common could not be shared over Redis: it is tried again");
}

pub(crate) fn secret_changed(hub: &str) {
    warn!(hub, "the secret that the nodes have in common has changed, for Redis had lost it");
}

pub(crate) fn closed(servers: &RedisServers, left: u64) {
    if left > 0 {
        warn!(%servers, left, "the backplane was closed with publications that could not be sent");
    } else {
        debug!(%servers, "the backplane was closed");
    }
}
