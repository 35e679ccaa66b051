//! The first message each way: JSON, whatever protocol it asks for (protocol.md section 2).

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codec::Codec;
use crate::error::{ProtocolError, with_detail};
use crate::framing::RECORD_SEPARATOR;

/// The highest version that this implementation speaks; 2 adds stateful reconnect (P-HS-07).
pub const MAX_VERSION: i64 = 2;

/// What the client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The name of the protocol, as the client wrote it.
    pub protocol: String,
    /// The version of the protocol.
    pub version: i64,
}

/// Why a handshake failed, in the words that go over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeError {
    /// P-HS-E1.
    UnknownProtocol(String),
    /// P-HS-E2.
    Version {
        /// What was asked for.
        version: i64,
        /// Of which protocol.
        protocol: String,
    },
    /// P-HS-E3: the protocol is binary and the transport is not.
    TransferFormat(Codec),
    /// P-HS-E4: timeout, oversize, abort.
    Canceled,
    /// P-HS-E5, with the reason that is shown when detailed errors are on.
    Malformed(String),
}

impl HandshakeError {
    /// The text of the response.
    pub fn wire_text(&self, detailed: bool) -> String {
        match self {
            Self::UnknownProtocol(name) => format!("The protocol '{name}' is not supported."),
            Self::Version { version, protocol } => {
                format!("The server does not support version {version} of the '{protocol}' protocol.")
            }
            Self::TransferFormat(codec) => format!(
                "Cannot use the '{}' protocol on the current transport. The transport does not support '{}' transfer \
                 format.",
                codec.name(),
                codec.transfer_format()
            ),
            Self::Canceled => "Handshake was canceled.".to_owned(),
            Self::Malformed(reason) => {
                let head = "An unexpected error occurred during connection handshake.";
                if detailed { with_detail(head, "InvalidDataException", reason) } else { head.to_owned() }
            }
        }
    }
}

impl HandshakeRequest {
    /// Reads a request, without its separator (P-HS-01).
    ///
    /// # Errors
    /// When it is not a JSON object with both members.
    pub fn parse(text: &[u8]) -> Result<Self, HandshakeError> {
        let malformed = |reason: String| HandshakeError::Malformed(reason);
        let value: Value = serde_json::from_slice(text).map_err(|_| malformed("Error reading JSON.".to_owned()))?;
        let members = match &value {
            Value::Object(members) => members,
            other => return Err(malformed(ProtocolError::NotAnObject(token(other)).to_string())),
        };
        let missing = |name: &str| {
            let content = String::from_utf8_lossy(text);
            malformed(format!("Missing required property '{name}'. Message content: {content}"))
        };
        let wrong = |name, expected| malformed(ProtocolError::WrongType { name, expected }.to_string());
        let protocol = members.get("protocol").ok_or_else(|| missing("protocol"))?;
        let version = members.get("version").ok_or_else(|| missing("version"))?;
        Ok(Self {
            protocol: protocol.as_str().ok_or_else(|| wrong("protocol", "String"))?.to_owned(),
            version: version.as_i64().ok_or_else(|| wrong("version", "Number"))?,
        })
    }

    /// Appends the request of a client.
    pub fn write(codec: Codec, version: i64, out: &mut BytesMut) {
        out.put_slice(format!("{{\"protocol\":\"{}\",\"version\":{version}}}", codec.name()).as_bytes());
        out.put_u8(RECORD_SEPARATOR);
    }

    /// Which protocol to speak, if it is one of `allowed` and the transport carries it (P-HS-15).
    ///
    /// # Errors
    /// Which of the checks failed, in their order.
    pub fn resolve(&self, allowed: &[Codec], binary_transport: bool) -> Result<Codec, HandshakeError> {
        let codec = Codec::from_name(&self.protocol)
            .filter(|codec| allowed.contains(codec))
            .ok_or_else(|| HandshakeError::UnknownProtocol(self.protocol.clone()))?;
        if self.version > MAX_VERSION {
            return Err(HandshakeError::Version { version: self.version, protocol: codec.name().to_owned() });
        }
        if codec == Codec::MessagePack && !binary_transport {
            return Err(HandshakeError::TransferFormat(codec));
        }
        Ok(codec)
    }
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeResponse {
    /// Why not, in case of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl HandshakeResponse {
    /// Appends the answer of a server (P-HS-02).
    pub fn write(error: Option<&str>, out: &mut BytesMut) {
        match error {
            None => out.put_slice(b"{}"),
            Some(error) => out.put_slice(serde_json::json!({ "error": error }).to_string().as_bytes()),
        }
        out.put_u8(RECORD_SEPARATOR);
    }

    /// Reads a response, without its separator.
    ///
    /// # Errors
    /// When it is something else (P-HS-03).
    pub fn parse(text: &[u8]) -> Result<Self, ProtocolError> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| ProtocolError::InvalidJson(error.to_string()))?;
        match value.as_object() {
            Some(members) if !members.contains_key("type") => {
                let error = match members.get("error") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(error)) => Some(error.clone()),
                    Some(_) => return Err(ProtocolError::WrongType { name: "error", expected: "String" }),
                };
                Ok(Self { error })
            }
            _ => Err(ProtocolError::NoHandshakeResponse),
        }
    }
}

fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(true) => "True",
        Value::Bool(false) => "False",
        Value::Number(_) => "Number",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}
