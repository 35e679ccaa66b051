//! Why there is no backplane.

use std::convert::Infallible;
use std::fmt;

use hub_core::InvalidOption;

/// Why [`RedisBackplane::connect`](crate::RedisBackplane::connect) failed. A Redis that is merely not there is no
/// reason: the backplane waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// An option is outside of its range; nothing was dialled.
    Option(InvalidOption),
    /// Redis was reached and refused: the credentials, the permissions, or what it is asked to be. Or its certificate is
    /// not trusted. Says what to do.
    Refused(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(option) => option.fmt(f),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<InvalidOption> for ConnectError {
    fn from(option: InvalidOption) -> Self {
        Self::Option(option)
    }
}

/// So that [`RedisBackplane::connect`](crate::RedisBackplane::connect) takes options and URLs alike.
impl From<Infallible> for ConnectError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
