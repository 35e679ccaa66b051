//! The link to Redis: what the rest of the crate asks of it.
//!
//! [`Link`] is what is asked, of whichever kind of Redis; [`Dial`] makes one. A link that is lost is thrown away, and
//! another is dialled.

pub(crate) mod cluster;
mod connection;
mod dial;
#[cfg(test)]
pub(crate) mod fake;
mod paced;
mod resp2;
mod sentinel;
mod server;
mod socket;
mod tls;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};

pub(crate) use self::dial::Dialler;

/// Makes links.
#[async_trait]
pub(crate) trait Dial: Send + Sync {
    /// Connects. What is received on the link is given to `receive`, from the link's own tasks: a link reads no further
    /// while it is handed over, so that what was received and not handed over is bounded.
    async fn dial(&self, receive: Arc<dyn Receive>) -> Result<Box<dyn Link>, DialError>;
}

/// Takes what a link receives.
pub(crate) trait Receive: Send + Sync {
    /// Takes a message from a channel. Those of one channel come in order, one at a time.
    fn receive(&self, channel: &[u8], message: Bytes);
}

/// Messages that are being published: how many subscribers each had, or why it was refused.
pub(crate) type Flight = BoxFuture<'static, Result<Vec<Result<usize, String>>, Lost>>;

/// A connected link.
#[async_trait]
pub(crate) trait Link: Send + Sync {
    /// Publishes messages to channels. From its first poll on they have their place in the order; when it is done, it
    /// gives for each how many subscribers it had, or why it was refused.
    fn publish(&self, messages: &[(&str, &[u8])]) -> Flight;

    /// Subscribes to channels. When it is done, what is published to them from then on is received.
    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost>;

    /// Unsubscribes from channels.
    async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost>;

    /// Asks whether Redis lets us publish at all, once it has refused a publication.
    async fn may_publish(&self) -> Result<(), Lost>;

    /// How large a message may be, with its channel, and what says so.
    fn largest_message(&self) -> (usize, String);

    /// Asks whether Redis is there, and the one that it was, by what publishes. Where something has been `asked` just now,
    /// that need not be asked again. It is there if it answers, and is not busy with a script.
    async fn check(&self, asked: bool) -> Result<(), Lost>;

    /// Asks whether Redis is there, by what listens.
    async fn ping(&self) -> Result<(), Lost>;

    /// Puts a value under a key, unless there is one. Whether there was none. The inner error is a refusal.
    async fn offer(&self, key: &str, value: &str) -> Result<Result<bool, String>, Lost>;

    /// The value under a key. The inner error is a refusal.
    async fn read(&self, key: &str) -> Result<Result<Option<Vec<u8>>, String>, Lost>;

    /// Waits until a connection that listens ends, and says why.
    async fn lost(&self) -> Lost;

    /// Waits until a connection that publishes ends, and says why.
    async fn cut(&self) -> Lost;

    /// Makes connections again that published and have ended, where that is all that is wrong. Whether it was.
    async fn mend(&self) -> Result<bool, DialError>;
}

/// Waits for all of these at the same time, for one may be silent, and gives the first answer; or else why there is none.
async fn first_answer<T>(asking: Vec<BoxFuture<'_, Result<T, DialError>>>) -> Result<T, DialError> {
    let mut asking = FuturesUnordered::from_iter(asking);
    let mut last = DialError::NotThere("there is nobody to ask".to_owned());
    while let Some(answer) = asking.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            // What was refused says more than who was not there.
            Err(_) if matches!(last, DialError::Refused(_)) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Why a link is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost(pub(crate) String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before the advice in a reason.
pub(crate) const TO_DO: &str = ". To do: ";

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DialError {
    /// Redis is not there, or not ready.
    NotThere(String),
    /// It is there, and will refuse again until somebody changes something.
    Refused(String),
}

impl DialError {
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::NotThere(why) | Self::Refused(why) => why,
        }
    }
}

impl From<Lost> for DialError {
    fn from(lost: Lost) -> Self {
        Self::NotThere(lost.0)
    }
}
