//! What can go wrong, told apart by who is allowed to read it.

use std::error::Error as StdError;
use std::fmt;

/// What a hub method returns: [`HubError`] unless said otherwise.
pub type Result<T, E = HubError> = std::result::Result<T, E>;

/// Why a hub method failed.
///
/// An error is private unless it was made by [`HubError::public`]: the server logs it, and the caller reads only that
/// something went wrong (P-ERR-01). `?` turns any [`std::error::Error`] into a private one.
///
/// ```
/// use hub_core::{HubError, Result};
///
/// fn seats(text: &str) -> Result<u32> {
///     let seats: u32 = text.parse()?; // private: the caller learns no detail
///     if seats > 8 {
///         return Err(HubError::public("a table has eight seats"));
///     }
///     Ok(seats)
/// }
/// assert!(!seats("many").unwrap_err().is_public());
/// assert_eq!(seats("9").unwrap_err().to_string(), "a table has eight seats");
/// ```
pub struct HubError(Box<Inner>);

struct Inner {
    public: bool,
    kind: &'static str,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl HubError {
    /// An error whose message the caller reads, on the wire as `HubException: {message}` (P-ERR-02).
    pub fn public(message: impl Into<String>) -> Self {
        Self::of(true, "HubException", message.into())
    }

    /// An error whose message only the server's log shows.
    pub fn private(message: impl Into<String>) -> Self {
        Self::of(false, "HubError", message.into())
    }

    /// Whether the caller may read the message.
    pub fn is_public(&self) -> bool {
        self.0.public
    }

    /// The short name of the error's type: `HubException` for a public error, else that of the Rust error it came from.
    pub fn kind(&self) -> &str {
        self.0.kind
    }

    /// The error this one came from, if it was made by `?`.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// The text that goes over the wire: `head`, and what may be told of this error behind it (P-ERR-01 to 03).
    pub fn wire_text(&self, head: &str, detailed: bool) -> String {
        if self.is_public() || detailed { with_detail(head, self.kind(), &self.0.message) } else { head.to_owned() }
    }

    fn of(public: bool, kind: &'static str, message: String) -> Self {
        Self(Box::new(Inner { public, kind, message, source: None }))
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for HubError {
    fn from(error: E) -> Self {
        let kind = short_type_name::<E>();
        Self(Box::new(Inner { public: false, kind, message: error.to_string(), source: Some(Box::new(error)) }))
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)?;
        let mut cause = self.0.source.as_deref().and_then(|e| e.source());
        while let Some(error) = cause {
            write!(f, ", because {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Why a call of a peer's method did not give a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The call was never sent: the text says why, and trying it again unchanged gives the same.
    Refused(String),
    /// The peer answered with an error: its text, verbatim (P-ERR-06).
    Remote(String),
    /// No answer came within the caller's deadline. The peer may still have run the method.
    TimedOut,
    /// The connection was stopped on this side before the answer came. The peer may still have run the method.
    Cancelled,
    /// The connection was lost, or ended by the peer, before the answer came. The peer may still have run the method.
    Closed(String),
    /// The answer is not of the expected type; only this call fails (P-INV-19, P-CR-05).
    Decode(String),
    /// An argument could not be encoded; nothing was sent.
    Encode(String),
    /// Connections of other nodes could not be reached, or did not answer in time. Those of this node have the message.
    Unreachable(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer came within the deadline"),
            Self::Cancelled => f.write_str("the call was cancelled: the connection was stopped"),
            Self::Refused(text)
            | Self::Remote(text)
            | Self::Closed(text)
            | Self::Decode(text)
            | Self::Encode(text)
            | Self::Unreachable(text) => f.write_str(text),
        }
    }
}

impl StdError for CallError {}

/// A value could not be written in a hub protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(pub(crate) String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for EncodeError {}

impl From<EncodeError> for CallError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error.0)
    }
}

/// Every way in which a peer can break the protocol so that the connection must end (P-GEN-06).
///
/// The texts are those of ASP.NET Core, which clients see in the Close message when detailed errors are on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A mandatory member is absent (P-JSON-03, 05, 06, 07, 09, 14).
    Missing(&'static str),
    /// A list of texts with a null in it (P-JSON-08).
    NullInList(&'static str),
    /// A header whose value is not a text (P-JSON-15).
    HeaderType(String),
    /// A boolean that is neither true nor false (P-JSON-13).
    NotABoolean(&'static str),
    /// A member has the wrong type (P-JSON-03, 06, 07, 08, 15).
    WrongType {
        /// The member.
        name: &'static str,
        /// What it has to be, in the words of ASP.NET Core.
        expected: &'static str,
    },
    /// A JSON message that is something else than an object.
    NotAnObject(&'static str),
    /// A Completion with both an error and a result (P-JSON-10).
    ErrorAndResult,
    /// Bytes that are not JSON (P-JSON-16), with what the parser says of them, which stays here.
    InvalidJson(String),
    /// Bytes that are not MessagePack, or not of the shape that a message has (section 5).
    InvalidMessagePack(String),
    /// An invocation id that is nil or empty on a message that needs one (P-MP-03).
    NoInvocationId(&'static str),
    /// A Completion of an unknown kind (P-MP-07).
    InvalidResultKind,
    /// A value nested deeper than 64 levels (P-JSON-16, P-MP-14).
    TooDeep,
    /// A length prefix above 2^31 - 1 (P-FRM-03).
    Over2Gb,
    /// A message larger than the limit, in bytes (P-LIM-30).
    TooLarge(usize),
    /// The transport ended in the middle of a message (P-FRM-06).
    Truncated,
    /// The peer answered a question that was put to somebody else (P-CR-03).
    AnswerOfAnother {
        /// The connection that sent the Completion.
        connection: String,
        /// The id of the question.
        invocation: String,
    },
    /// The peer's first message is not a handshake response (P-HS-03).
    NoHandshakeResponse,
    /// The other side broke the WebSocket protocol (P-WS-06).
    Transport(String),
}

impl ProtocolError {
    /// The name of the exception that ASP.NET Core reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AnswerOfAnother { .. } => "InvalidOperationException",
            Self::Transport(_) => "WebSocketException",
            _ => "InvalidDataException",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "Missing required property '{name}'."),
            Self::WrongType { name, expected } => write!(f, "Expected '{name}' to be of type {expected}."),
            Self::NullInList(name) => write!(f, "Null value for '{name}' is not valid."),
            Self::HeaderType(name) => write!(f, "Expected header '{name}' to be of type String."),
            Self::NotABoolean(name) => write!(f, "Expected '{name}' to be true or false."),
            Self::NotAnObject(found) => write!(f, "Unexpected JSON Token Type '{found}'. Expected a JSON Object."),
            Self::ErrorAndResult => f.write_str("The 'error' and 'result' properties are mutually exclusive."),
            Self::InvalidJson(_) => f.write_str("Error reading JSON."),
            Self::InvalidMessagePack(why) => f.write_str(why),
            Self::NoInvocationId(message) => write!(f, "Null or empty invocation ID for {message} message."),
            Self::InvalidResultKind => f.write_str("Invalid invocation result kind."),
            Self::TooDeep => f.write_str("The value is nested deeper than the maximum of 64 levels."),
            Self::Over2Gb => f.write_str("Messages over 2GB in size are not supported."),
            Self::TooLarge(limit) => write!(
                f,
                "The maximum message size of {limit}B was exceeded. \
                 The message size can be configured in AddHubOptions."
            ),
            Self::Truncated => f.write_str("Connection terminated while reading a message."),
            Self::AnswerOfAnother { connection, invocation } => {
                write!(f, "Connection ID '{connection}' is not valid for invocation ID '{invocation}'.")
            }
            Self::NoHandshakeResponse => f.write_str("Expected a handshake response from the server."),
            Self::Transport(why) => f.write_str(why),
        }
    }
}

impl StdError for ProtocolError {}

/// The name of a type without its path and parameters: `a::b::Failed<c::D>` is `Failed`. An `Option` is called by what
/// it holds.
pub fn short_type_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.strip_prefix("core::option::Option<").unwrap_or(name);
    let name = name.split(['<', '>']).next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// `{head} {kind}: {message}`, the form of every detailed error on the wire (P-ERR-02).
pub fn with_detail(head: &str, kind: &str, message: &str) -> String {
    format!("{head} {kind}: {message}")
}
