//! Bytes to whole frames, wherever the transport cut them (protocol.md section 3).

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::Codec;
use crate::error::ProtocolError;

/// Ends every JSON message, and the handshake (P-FRM-01).
pub const RECORD_SEPARATOR: u8 = 0x1e;

/// How the frames of a protocol are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// A record separator behind each: JSON, and the handshake whatever the protocol.
    Separator,
    /// A length before each: MessagePack (P-FRM-02).
    LengthPrefix,
}

impl From<Codec> for Delimiter {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Json => Self::Separator,
            Codec::MessagePack => Self::LengthPrefix,
        }
    }
}

/// What has been received and not yet taken as frames.
///
/// A frame that lies whole in one chunk is handed out as a slice of it; only frames that were cut are put together.
#[derive(Debug, Default)]
pub struct Incoming {
    chunk: Bytes,
    /// Chunks behind `chunk`, while nobody takes frames.
    later: VecDeque<Bytes>,
    later_len: usize,
    /// The beginning of a frame whose end is in no chunk so far.
    partial: BytesMut,
}

impl Incoming {
    /// Appends what the transport brought.
    pub fn push(&mut self, bytes: Bytes) {
        // What waits behind an empty chunk goes before what comes now.
        if self.chunk.is_empty() && self.later.is_empty() {
            self.chunk = bytes;
        } else if !bytes.is_empty() {
            self.later_len += bytes.len();
            self.later.push_back(bytes);
        }
    }

    /// How many bytes wait here.
    pub fn len(&self) -> usize {
        self.partial.len() + self.chunk.len() + self.later_len
    }

    /// Whether nothing waits here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`next_frame`](Self::next_frame) has not looked at everything yet.
    pub fn has_news(&self) -> bool {
        !self.chunk.is_empty() || self.later_len > 0
    }

    /// Takes the next whole frame, without its separator or prefix.
    ///
    /// # Errors
    /// When the frame is, or declares to be, larger than `limit` with its separator or prefix (P-LIM-01, P-LIM-30), or
    /// its prefix is not one (P-FRM-03).
    pub fn next_frame(&mut self, delimiter: Delimiter, limit: usize) -> Result<Option<Bytes>, ProtocolError> {
        loop {
            let frame = match delimiter {
                Delimiter::Separator => self.next_separated(limit)?,
                Delimiter::LengthPrefix => self.next_prefixed(limit)?,
            };
            if frame.is_some() {
                return Ok(frame);
            }
            // The chunk is used up, or it is the beginning of a frame.
            match self.later.pop_front() {
                Some(chunk) => {
                    self.later_len -= chunk.len();
                    self.chunk = chunk;
                }
                None => {
                    // Keep no hold on the transport's buffer while idle.
                    self.chunk = Bytes::new();
                    return Ok(None);
                }
            }
        }
    }

    fn next_separated(&mut self, limit: usize) -> Result<Option<Bytes>, ProtocolError> {
        let end = memchr::memchr(RECORD_SEPARATOR, &self.chunk);
        let length = self.partial.len() + end.map_or(self.chunk.len(), |end| end + 1);
        if length > limit {
            return Err(ProtocolError::TooLarge(limit));
        }
        let Some(end) = end else {
            self.keep_chunk();
            return Ok(None);
        };
        let tail = self.chunk.split_to(end);
        self.chunk.advance(1);
        Ok(Some(self.complete(tail)))
    }

    fn next_prefixed(&mut self, limit: usize) -> Result<Option<Bytes>, ProtocolError> {
        // The prefix may be cut too: it is read from the partial frame and the chunk together.
        let known = self.partial.len();
        let byte = |at: usize| self.partial.get(at).or_else(|| self.chunk.get(at.wrapping_sub(known))).copied();
        let (mut length, mut width) = (0_usize, 0_usize);
        loop {
            let Some(next) = byte(width) else {
                self.keep_chunk();
                return Ok(None);
            };
            if width == 4 && next > 0x07 {
                return Err(ProtocolError::Over2Gb);
            }
            length |= usize::from(next & 0x7f) << (7 * width);
            width += 1;
            if next & 0x80 == 0 {
                break;
            }
        }
        if width + length > limit {
            return Err(ProtocolError::TooLarge(limit));
        }
        let missing = (width + length).saturating_sub(known);
        if self.chunk.len() < missing {
            self.keep_chunk();
            return Ok(None);
        }
        let tail = self.chunk.split_to(missing);
        let mut frame = self.complete(tail);
        frame.advance(width);
        Ok(Some(frame))
    }

    fn keep_chunk(&mut self) {
        self.partial.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
    }

    fn complete(&mut self, tail: Bytes) -> Bytes {
        if self.partial.is_empty() {
            return tail;
        }
        self.partial.extend_from_slice(&tail);
        std::mem::take(&mut self.partial).freeze()
    }
}

/// The length prefix of a frame: the bytes, and how many of them count.
pub fn length_prefix(mut length: usize) -> ([u8; 5], usize) {
    let mut prefix = [0; 5];
    let mut used = 0;
    loop {
        prefix[used] = (length & 0x7f) as u8;
        length >>= 7;
        used += 1;
        if length == 0 || used == prefix.len() {
            return (prefix, used);
        }
        prefix[used - 1] |= 0x80;
    }
}
