//! Runs `rooms.lua`, over one connection that all calls share.

use std::io;
use std::time::Duration;

use chat::rules::Refusal;
use hub_core::HubError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long Redis may take for an answer, with connecting to it.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Script {
    client: Client,
    prefix: String,
    /// With the name under which that Redis knows the script.
    open: Mutex<Option<(MultiplexedConnection, String)>>,
}

impl Script {
    pub(crate) fn new(url: &str, prefix: &str) -> RedisResult<Self> {
        Ok(Self { client: Client::open(url)?, prefix: prefix.to_owned(), open: Mutex::default() })
    }

    /// Calls what has this name in the script.
    pub(crate) async fn run<T: FromRedisValue>(&self, what: &str, lease: &str, rest: &[&str]) -> RedisResult<T> {
        let answer = timeout(PATIENCE, self.try_to_run(what, lease, rest)).await;
        let answer = answer.unwrap_or_else(|late| Err(io::Error::new(io::ErrorKind::TimedOut, late).into()));
        if answer.as_ref().is_err_and(|error| refusal(error).is_none() && !has_lapsed(error))
            && let Ok(mut open) = self.open.try_lock()
        {
            // Whatever is wrong with it, the next call has another.
            *open = None;
        }
        answer
    }

    async fn try_to_run<T: FromRedisValue>(&self, what: &str, lease: &str, rest: &[&str]) -> RedisResult<T> {
        let (mut connection, name) = self.connection().await?;
        let mut command = redis::cmd("EVALSHA");
        command.arg(name).arg(1).arg(&self.prefix).arg(what).arg(lease).arg(rest);
        command.query_async(&mut connection).await
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, String)> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        // Its timeout is ours.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let load = redis::cmd("SCRIPT").arg("LOAD").arg(include_str!("rooms.lua")).to_owned();
        let name = load.query_async(&mut connection).await?;
        Ok(open.insert((connection, name)).clone())
    }
}

/// Whether the node has to take a new lease first.
pub(crate) fn has_lapsed(error: &RedisError) -> bool {
    error.code() == Some("LAPSED")
}

/// What the script has refused.
pub(crate) fn refusal(error: &RedisError) -> Option<Refusal<'_>> {
    let about = error.detail().unwrap_or_default();
    Some(match error.code()? {
        "NAMELESS" => Refusal::Nameless,
        "NAMED" => Refusal::Named(about),
        "TAKEN" => Refusal::Taken(about),
        "ABSENT" => Refusal::NotThere(about),
        "ROOMSEACH" => Refusal::RoomsEach,
        "FULL" => Refusal::Full(about),
        "ROOMS" => Refusal::Rooms,
        "UNKNOWN" => Refusal::Unknown(about),
        "YOURSELF" => Refusal::Yourself,
        _ => return None,
    })
}

/// What the user is told: what was refused, or that something is wrong, the cause of which is for the log.
pub(crate) fn explain(error: &RedisError) -> HubError {
    if let Some(refusal) = refusal(error) {
        return refusal.into();
    }
    tracing::warn!(%error, "the rooms in Redis cannot be reached");
    HubError::public("The rooms cannot be reached at the moment.")
}
