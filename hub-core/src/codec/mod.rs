//! The two hub protocols: bytes of one frame to a [`Message`] with its payloads left undecoded, and back.

mod any_case;
mod entries;
mod head;
mod json;
mod json_values;
mod msgpack;
mod pack;
mod place;
mod second_look;
mod spelling;
mod timestamp;
mod unpack;

use std::cell::Cell;
use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::de::{DeserializeOwned, DeserializeSeed, Expected, Visitor};
use serde::{Deserialize, Serialize};

use self::place::{Tracked, with_place};
pub use self::timestamp::{Timestamp, TimestampError};
use crate::args::ArgsError;
use crate::error::{CallError, EncodeError, ProtocolError, short_type_name};
use crate::message::Message;

/// How deep a payload may be nested (P-JSON-16, P-MP-14).
pub const MAX_DEPTH: usize = 64;

/// A value of more bytes is read once, as it comes: a member that comes twice is an error there, and names that serde keeps
/// for later count as they stand until they are known. To look ahead takes as long as all levels of a value together.
const REREAD_LIMIT: usize = 64 * 1024;

/// A hub protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `json`: text, one object a message.
    Json,
    /// `messagepack`: binary, one array a message.
    MessagePack,
}

/// What a transport may carry (P-HS-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferFormat {
    /// UTF-8 only.
    Text,
    /// Any bytes.
    Binary,
}

impl fmt::Display for TransferFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Binary => "Binary",
        })
    }
}

impl Codec {
    /// Both, in the order in which servers prefer them.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// The name in the handshake.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// The protocol of this name, whatever its case (P-GEN-07).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// What a transport must be able to carry for it.
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }

    /// Decodes one frame, without its separator or length prefix. `None` is a message of a type that this version does
    /// not know, to be ignored (P-GEN-05).
    ///
    /// # Errors
    /// When the frame is malformed, which ends the connection (P-GEN-06).
    pub fn decode(self, frame: &Bytes) -> Result<Option<Message>, ProtocolError> {
        match self {
            Self::Json => json::decode(frame),
            Self::MessagePack => msgpack::decode(frame),
        }
    }

    /// Appends a message with its framing.
    pub fn encode(self, message: &Message, out: &mut BytesMut) {
        match self {
            Self::Json => json::encode(message, out),
            Self::MessagePack => msgpack::encode(message, out),
        }
    }

    /// Encodes a value for a place in a message.
    ///
    /// # Errors
    /// When the value's `Serialize` fails.
    pub fn encode_value<T: Serialize + ?Sized>(self, value: &T) -> Result<Payload, EncodeError> {
        thread_local! {
            /// How long the last value was: the next is likely to be of its kind, and growing costs.
            static LAST: Cell<usize> = const { Cell::new(0) };
        }
        let mut out = Vec::with_capacity(LAST.get().clamp(64, 4096));
        match self {
            Self::Json => {
                json_values::write_value(value, &mut out).map_err(|error| EncodeError(error.to_string()))?;
            }
            Self::MessagePack => {
                msgpack::write_value(value, &mut out).map_err(|error| EncodeError(error.to_string()))?;
            }
        }
        let bytes = Bytes::from(out);
        LAST.set(bytes.len());
        Ok(Payload { codec: self, bytes })
    }
}

/// A value as it stands in a message: an argument list, an item, a result.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

impl Payload {
    /// Takes the bytes of one whole value.
    pub fn new(codec: Codec, bytes: Bytes) -> Self {
        Self { codec, bytes }
    }

    /// The null value.
    pub fn null(codec: Codec) -> Self {
        Self { codec, bytes: Bytes::from_static(if codec == Codec::Json { b"null" } else { &[0xc0] }) }
    }

    /// The protocol in which the value is written.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes of the value.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        *self == Self::null(self.codec)
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.read_seed(std::marker::PhantomData::<T>, 0).map_err(|detail| ArgsError::Type { position: 0, detail })
    }

    /// Reads the result of a call.
    ///
    /// # Errors
    /// When it is not a `T`, in the words of P-CR-05 and P-INV-19.
    pub fn read_result<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        self.read().map_err(|error| {
            let name = short_type_name::<T>();
            CallError::Decode(format!("Error trying to deserialize result to {name}. {}", error.detail()))
        })
    }

    /// What an answer without a result is read as: nothing, as only `()` is. Whoever wants a value, and be it an `Option`,
    /// gets an error (P-CR-04): null would be another answer.
    ///
    /// # Errors
    /// When `T` is something else than nothing, in the words of clients that have no result to give (P-CR-07).
    pub fn read_no_result<T: DeserializeOwned>() -> Result<T, CallError> {
        T::deserialize(NoResult).map_err(|_| CallError::Remote("Client didn't provide a result.".to_owned()))
    }

    /// Reads the value by a seed, or says why not and where: the first `skipped` steps to the place go without saying.
    pub(crate) fn read_seed<'de, S>(&'de self, seed: S, skipped: usize) -> Result<S::Value, String>
    where
        S: DeserializeSeed<'de> + Clone,
    {
        self.read_value(seed.clone()).map_err(|error| {
            let path = Cell::new(None);
            // It fails again: what counts is where.
            let _ = self.read_value(Tracked { seed, path: &path });
            with_place(&error, path.take().as_ref(), skipped)
        })
    }

    fn read_value<'de, S: DeserializeSeed<'de> + Clone>(&'de self, seed: S) -> Result<S::Value, String> {
        match self.codec {
            Codec::Json => json_values::read_value(&self.bytes, seed),
            Codec::MessagePack => msgpack::read_value(&self.bytes, seed).map_err(|error| error.to_string()),
        }
    }
}

/// Where there is no value, not even null.
struct NoResult;

impl<'de> serde::Deserializer<'de> for NoResult {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom(format_args!("no value, expected {}", &visitor as &dyn Expected)))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option newtype_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::Json => f.write_str(&String::from_utf8_lossy(&self.bytes)),
            Codec::MessagePack => write!(f, "{:02x?}", &*self.bytes),
        }
    }
}

/// Bytes that are base64 text in JSON and `bin` in MessagePack, as .NET's `byte[]` is (P-JSON-17, P-MP-10). A plain
/// `Vec<u8>` would be an array of numbers in both.
///
/// In MessagePack a list of numbers is read too, and text, which counts as its UTF-8 (P-MP-09).
///
/// ```
/// use hub_core::{Binary, Codec};
///
/// let picture = Binary(vec![1, 2, 255]);
/// let json = Codec::Json.encode_value(&picture).unwrap();
/// assert_eq!(&json.bytes()[..], br#""AQL/""#);
/// let messagepack = Codec::MessagePack.encode_value(&picture).unwrap();
/// assert_eq!(&messagepack.bytes()[..], [0xc4, 3, 1, 2, 255]);
/// assert_eq!(json.read::<Binary>().unwrap(), picture);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Binary(pub Vec<u8>);

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::ops::Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Binary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The JSON codec's formatter writes byte arrays as base64.
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Binary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes, as base64 text or as a binary value")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Binary, E> {
                json_values::from_base64(text).map(Binary).map_err(E::custom)
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Binary, E> {
                Ok(Binary(bytes.to_vec()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Binary, A::Error> {
                // The declared length is not trusted (P-MP-14): the list grows as its items come.
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Binary(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Visitor)
    }
}
