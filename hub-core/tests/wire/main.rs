//! The bytes of messages and values, as tables, and against those of the official implementation.

mod args;
mod dates;
mod errors;
mod hostile;
mod json;
mod messagepack;
mod names;
mod readings;
mod rmp_serde;
mod untyped;
mod values;
mod vectors;

use bytes::{Bytes, BytesMut};
use hub_core::message::{Invocation, Message, Outcome, Target};
use hub_core::{Args, Codec, InvocationId, Payload, ProtocolError};

fn decode(codec: Codec, frame: &[u8]) -> Result<Option<Message>, ProtocolError> {
    codec.decode(&Bytes::copy_from_slice(frame))
}

/// Reads a frame that is a message.
fn message(codec: Codec, frame: &[u8]) -> Message {
    decode(codec, frame).unwrap().expect("a known type")
}

/// Writes a message, with its framing.
fn encode(codec: Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out);
    out.to_vec()
}

fn payload(codec: Codec, bytes: impl AsRef<[u8]>) -> Payload {
    Payload::new(codec, Bytes::copy_from_slice(bytes.as_ref()))
}

fn args(codec: Codec, bytes: impl AsRef<[u8]>) -> Args {
    Args::new(payload(codec, bytes))
}

fn invocation(id: Option<&str>, target: &str, arguments: Payload, streams: &[&str]) -> Invocation {
    Invocation {
        headers: Vec::new(),
        id: id.map(InvocationId::from),
        target: Target::from(target),
        arguments: Args::new(arguments),
        streams: streams.iter().map(InvocationId::from).collect(),
    }
}

fn completion(id: &str, outcome: Outcome) -> Message {
    Message::Completion { id: InvocationId::from(id), outcome }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
