//! From options to a link, of whichever kind.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::InvalidOption;

use super::cluster::Cluster;
use super::connection::Connector;
use super::sentinel;
use super::server::{PLAIN, Server};
use super::{Dial, DialError, Link, Receive, TO_DO};
use crate::options::{RedisOptions, RedisServers, split_address};

/// Dials the servers of the options.
pub(crate) struct Dialler {
    servers: RedisServers,
    prefix: String,
    connector: Connector,
}

impl Dialler {
    pub(crate) fn new(options: &RedisOptions) -> Result<Self, InvalidOption> {
        let connector = Connector {
            user: options.user.clone(),
            password: options.password.clone(),
            database: options.database,
            #[cfg(feature = "tls")]
            tls: options.tls.as_ref().map(super::tls::connector).transpose()?,
            response_timeout: options.response_timeout,
            connect_timeout: options.connect_timeout,
            largest_message: options.largest_message,
        };
        Ok(Self { servers: options.servers.clone(), prefix: options.prefix.clone(), connector })
    }
}

#[async_trait]
impl Dial for Dialler {
    async fn dial(&self, receive: Arc<dyn Receive>) -> Result<Box<dyn Link>, DialError> {
        match &self.servers {
            RedisServers::One(address) => {
                // Checked with the options.
                let place = split_address(address, 6379).unwrap_or((address, 6379));
                let server = Server::dial(&self.connector, place, &PLAIN, &self.prefix, Arc::clone(&receive)).await?;
                match server.mode().await?.as_deref() {
                    // One address leads to all of it.
                    Some("cluster") if self.connector.database == 0 => {
                        let seeds = std::slice::from_ref(address);
                        Ok(Box::new(Cluster::dial(&self.connector, seeds, &self.prefix, receive).await?))
                    }
                    Some("sentinel") => Err(DialError::Refused(format!(
                        "{} is a Sentinel{TO_DO}use `RedisServers::Sentinel`, in a URL `redis+sentinel://HOST:PORT/PRIMARY`",
                        server.address()
                    ))),
                    _ => {
                        server.probe().await?;
                        Ok(Box::new(server))
                    }
                }
            }
            RedisServers::Cluster(seeds) => {
                Ok(Box::new(Cluster::dial(&self.connector, seeds, &self.prefix, receive).await?))
            }
            RedisServers::Sentinel { sentinels, primary, user, password } => {
                let to_sentinel =
                    Connector { user: user.clone(), password: password.clone(), database: 0, ..self.connector.clone() };
                let link =
                    sentinel::dial(&to_sentinel, &self.connector, sentinels, primary, &self.prefix, receive).await?;
                Ok(Box::new(link))
            }
        }
    }
}
