//! The link to the primary that Sentinels name.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::FutureExt;
use redis::{Value, cmd, from_redis_value};

use super::connection::{Connector, refusal};
use super::server::{PLAIN, Server};
use super::{DialError, Flight, Link, Lost, Receive, first_answer};
use crate::options::split_address;

/// The link to a server that has to be the primary.
#[derive(Debug)]
pub(crate) struct Primary(Server);

/// Asks the Sentinels, and connects to the primary that the first names who knows one.
pub(crate) async fn dial(
    to_sentinel: &Connector,
    to_server: &Connector,
    sentinels: &[String],
    name: &str,
    prefix: &str,
    receive: Arc<dyn Receive>,
) -> Result<Primary, DialError> {
    let asking = sentinels.iter().map(|sentinel| address(to_sentinel, sentinel, name).boxed()).collect();
    let (host, port) = first_answer(asking).await?;
    let primary = Primary(Server::dial(to_server, (&host, port), &PLAIN, prefix, receive).await?);
    // A Sentinel may be late to know.
    primary.check_role().await?;
    primary.0.probe().await?;
    Ok(primary)
}

async fn address(connector: &Connector, sentinel: &str, name: &str) -> Result<(String, u16), DialError> {
    let (host, port) = split_address(sentinel, 26379).unwrap_or((sentinel, 26379));
    let connection = connector.connect(host, port, None).await.map_err(of_the_sentinel)?;
    let mut command = cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    match connection.ask(&command).await?.map_err(|error| of_the_sentinel(refusal(connection.address(), &error)))? {
        Value::Nil => {
            Err(DialError::Refused(format!("the Sentinel at {host}:{port} knows no primary {name:?}: check `primary`")))
        }
        answer => from_redis_value::<(String, u16)>(answer)
            .map_err(|error| DialError::NotThere(format!("the Sentinel at {host}:{port} gave no address: {error}"))),
    }
}

/// Credentials of the servers are of no use at the Sentinels.
fn of_the_sentinel(error: DialError) -> DialError {
    match error {
        DialError::Refused(why) => DialError::Refused(format!(
            "{why}. It is a Sentinel, whose `user` and `password` are in `RedisServers::Sentinel`"
        )),
        not_there @ DialError::NotThere(_) => not_there,
    }
}

impl Primary {
    /// A server that was made a replica serves pub/sub still, to whoever has not noticed.
    async fn check_role(&self) -> Result<(), DialError> {
        let address = self.0.address();
        match self.0.publisher().ask(&cmd("ROLE")).await? {
            Ok(Value::Array(answer)) if answer.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(()),
            Ok(_) => Err(DialError::NotThere(format!("{address} is not the primary any more"))),
            Err(error) => Err(refusal(address, &error)),
        }
    }
}

#[async_trait]
impl Link for Primary {
    fn publish(&self, messages: &[(&str, &[u8])]) -> Flight {
        self.0.publish(messages)
    }

    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.0.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        self.0.unsubscribe(channels).await
    }

    async fn may_publish(&self) -> Result<(), Lost> {
        self.0.may_publish().await
    }

    fn largest_message(&self) -> (usize, String) {
        self.0.largest_message()
    }

    async fn check(&self, _: bool) -> Result<(), Lost> {
        self.check_role().await.map_err(|error| Lost(error.why().to_owned()))
    }

    async fn ping(&self) -> Result<(), Lost> {
        self.0.ping().await
    }

    async fn offer(&self, key: &str, value: &str) -> Result<Result<bool, String>, Lost> {
        self.0.offer(key, value).await
    }

    async fn read(&self, key: &str) -> Result<Result<Option<Vec<u8>>, String>, Lost> {
        self.0.read(key).await
    }

    async fn lost(&self) -> Lost {
        self.0.lost().await
    }

    async fn cut(&self) -> Lost {
        self.0.cut().await
    }

    async fn mend(&self) -> Result<bool, DialError> {
        self.0.mend().await
    }
}
