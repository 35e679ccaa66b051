//! The backplane of hubs on Redis: several nodes serve one hub, and reach each other's connections.
mod backplane;
mod channels;
mod driver;
mod error;
mod events;
mod lane;
mod link;
mod node;
mod numbers;
mod options;
mod outbox;
mod receiver;
mod state;
mod subscriptions;
mod url;
mod wire;

pub use self::backplane::RedisBackplane;
pub use self::error::ConnectError;
pub use self::options::{RedisIdentity, RedisOptions, RedisServers, RedisTls, WhileDown};
pub use self::state::{Counters, LinkState};
pub use hub_core::InvalidOption;

/// Locks what no panic can leave half done.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
