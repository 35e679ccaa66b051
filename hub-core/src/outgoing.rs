//! A message to many: encoded at most once for each protocol, then shared (P-LT-14).

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use crate::args::Args;
use crate::backplane::Framed;
use crate::codec::Codec;
use crate::contract::Arguments;
use crate::error::EncodeError;
use crate::message::{Invocation, Message, Target};

/// An invocation without an id, to be sent to any number of connections.
pub struct Outgoing<'a> {
    target: &'a str,
    encode: &'a (dyn Fn(Codec) -> Result<crate::Payload, EncodeError> + 'a),
    framed: [OnceLock<Bytes>; 2],
}

/// Calls `send` with a notice of these arguments.
pub fn with_outgoing<A: Arguments, T>(target: &str, arguments: &A, send: impl FnOnce(&Outgoing<'_>) -> T) -> T {
    send(&Outgoing { target, encode: &|codec| arguments.encode(codec), framed: [OnceLock::new(), OnceLock::new()] })
}

impl Outgoing<'_> {
    /// The framed message in this protocol.
    ///
    /// # Errors
    /// When an argument's `Serialize` fails.
    pub fn framed(&self, codec: Codec) -> Result<Bytes, EncodeError> {
        let slot = &self.framed[codec as usize];
        if let Some(bytes) = slot.get() {
            return Ok(bytes.clone());
        }
        let bytes = frame_notice(self.target, (self.encode)(codec)?);
        Ok(slot.get_or_init(|| bytes).clone())
    }

    /// The framed message in every protocol, for nodes whose connections are not known here.
    ///
    /// # Errors
    /// When an argument's `Serialize` fails.
    pub fn in_all_codecs(&self) -> Result<Framed, EncodeError> {
        Ok(Framed { json: Some(self.framed(Codec::Json)?), messagepack: Some(self.framed(Codec::MessagePack)?) })
    }
}

fn frame_notice(target: &str, arguments: crate::Payload) -> Bytes {
    let codec = arguments.codec();
    let message = Message::Invocation(Invocation {
        headers: Vec::new(),
        id: None,
        target: Target::from(target),
        arguments: Args::new(arguments),
        streams: Vec::new(),
    });
    let mut out = BytesMut::with_capacity(128);
    codec.encode(&message, &mut out);
    out.freeze()
}
