//! Why a connection did not come to be, and why one ended.

use std::fmt;
use std::time::Duration;

use hub_core::{CallError, InvalidOption, ProtocolError};

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// An option is outside of its range; nothing was dialled.
    Option(InvalidOption),
    /// The provider of access tokens failed.
    Token(String),
    /// The server could not be reached, or its certificate is not trusted.
    Unreachable(String),
    /// The proxy could not be reached, or did not connect to the server.
    Proxy {
        /// The status of its answer, if there was one.
        status: Option<u16>,
        /// What is wrong.
        text: String,
    },
    /// The negotiation failed: the server's own text (P-NEG-13), or what is wrong with its answer.
    Negotiation {
        /// The status of the answer, unless that was good (P-NEG-21).
        status: Option<u16>,
        /// What is wrong.
        text: String,
    },
    /// The server offers no transport that this client has (P-NEG-19).
    NoTransport(String),
    /// The server did not accept a WebSocket.
    Upgrade {
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// What is wrong.
        text: String,
    },
    /// The server refused the handshake: its own text.
    Handshake(String),
    /// The connection ended before the handshake was done.
    Ended(Ended),
    /// A step took longer than its option allows.
    TimedOut {
        /// The option.
        option: &'static str,
        /// Its value.
        after: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(option) => option.fmt(f),
            Self::Token(why) => write!(f, "The access token could not be obtained: {why}"),
            Self::Unreachable(text)
            | Self::Proxy { text, .. }
            | Self::Negotiation { text, .. }
            | Self::NoTransport(text)
            | Self::Upgrade { text, .. } => f.write_str(text),
            Self::Handshake(error) => {
                write!(f, "Unable to complete handshake with the server due to an error: {}", words(error))
            }
            Self::Ended(Ended::Protocol(ProtocolError::TooLarge(limit))) => {
                write!(f, "The server's handshake response has more than {limit} bytes.")
            }
            Self::Ended(Ended::Lost(_)) => f.write_str("The server disconnected before sending a handshake response"),
            Self::Ended(ended) => ended.fmt(f),
            Self::TimedOut { option, after } => write!(f, "No answer came within {after:?}, the {option}."),
        }
    }
}

/// The words of an error, for people to read: one without any is an error all the same (P-CLS-09).
fn words(error: &str) -> &str {
    if error.trim().is_empty() { "(it has no text)" } else { error }
}

impl std::error::Error for ConnectError {}

impl From<InvalidOption> for ConnectError {
    fn from(option: InvalidOption) -> Self {
        Self::Option(option)
    }
}

impl From<ConnectError> for CallError {
    /// So that a program's `main` can use one error for both: no call was sent.
    fn from(error: ConnectError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By [`Connection::stop`](crate::Connection::stop), or because no handle was left.
    Stopped,
    /// By a Close message of the server.
    ByServer {
        /// With this error.
        error: Option<String>,
        /// Whether the client may connect again by itself (P-CLS-08).
        allow_reconnect: bool,
    },
    /// The transport ended without a Close message: with this explanation.
    Lost(String),
    /// The server was silent for longer than this (P-PING-10).
    TimedOut(Duration),
    /// The server broke the protocol.
    Protocol(ProtocolError),
    /// The first attempt failed, which is not tried again by itself (P-CLI-03). Only a [`Polled`](crate::Polled)
    /// connection ends so.
    NeverConnected(Box<ConnectError>),
    /// Attempts to reconnect were given up (P-CLI-05).
    GaveUp {
        /// How many failed.
        attempts: usize,
        /// For how long it was tried.
        elapsed: Duration,
        /// Why the last one failed.
        last: Box<ConnectError>,
    },
}

impl Ended {
    /// Whether a connection may be made again by itself (P-CLS-08).
    pub(crate) fn may_reconnect(&self) -> bool {
        !matches!(
            self,
            Self::Stopped
                | Self::ByServer { allow_reconnect: false, .. }
                | Self::NeverConnected(_)
                | Self::GaveUp { .. }
        )
    }

    /// What it is to a call that has no answer yet.
    pub(crate) fn of_call(&self) -> CallError {
        match self {
            Self::Stopped => CallError::Cancelled,
            _ => CallError::Closed(self.to_string()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("The connection was stopped."),
            Self::ByServer { error: Some(error), .. } => {
                write!(f, "The server closed the connection with the following error: {}", words(error))
            }
            Self::ByServer { error: None, .. } => f.write_str("The server closed the connection."),
            Self::Lost(why) => f.write_str(why),
            Self::TimedOut(after) => {
                write!(f, "Server timeout ({after:?}) elapsed without receiving a message from the server.")
            }
            // The text of the error is the servers'.
            Self::Protocol(ProtocolError::TooLarge(limit)) => {
                write!(f, "The server sent a message of more than {limit} bytes, the receive_limit.")
            }
            Self::Protocol(error) => write!(f, "The server broke the protocol: {error}"),
            Self::NeverConnected(error) => error.fmt(f),
            Self::GaveUp { attempts, elapsed, last } => write!(
                f,
                "Reconnect retries have been exhausted after {attempts} failed attempts and {elapsed:?} elapsed. \
                 Disconnecting. The last attempt failed: {last}"
            ),
        }
    }
}

impl std::error::Error for Ended {}
