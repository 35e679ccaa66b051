//! What a WebSocket client sends, cut anywhere, to pieces of messages and control frames (RFC 6455, 5).

use std::borrow::Cow;
use std::io::Cursor;
use std::mem::take;
use std::str::from_utf8;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::utf8::{NotUtf8, Utf8};

/// The longest payload of a control frame (5.5).
const MAX_CONTROL: u64 = 125;

/// The client broke a rule of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    /// What the close frame says about it (7.4.1).
    pub(super) code: u16,
    pub(super) why: &'static str,
}

impl Violation {
    const fn protocol(why: &'static str) -> Self {
        Self { code: 1002, why }
    }
}

impl From<NotUtf8> for Violation {
    fn from(_: NotUtf8) -> Self {
        Self { code: 1007, why: "The text of a WebSocket frame is not UTF-8." }
    }
}

/// The next thing in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A part of a message, never empty.
    Data(&'a [u8]),
    /// The end of a message of this kind.
    End(#[allow(dead_code, reason = "neither tells a hub anything (P-FRM-04, P-WS-03)")] Data),
    Ping(Cow<'a, [u8]>),
    Pong,
    /// With the client's code, if it gives one.
    Close(Option<u16>),
}

#[derive(Debug, Default)]
enum Frame {
    /// Between two frames, or within a header.
    #[default]
    Header,
    /// Within a data frame: how much of it is left, and the key of its next byte.
    Data { left: u64, mask: [u8; 4] },
    /// Within a control frame.
    Control { kind: Control, length: usize, mask: [u8; 4] },
}

/// Cuts frames and hands on their payloads as they come. No message is kept, and of a frame only the beginning of a
/// header or of a control frame: less than 126 bytes.
#[derive(Debug, Default)]
pub(super) struct FramesIn {
    frame: Frame,
    /// The header, or the payload of the control frame, as far as it has come.
    cut: Vec<u8>,
    /// The message that has begun.
    message: Option<Data>,
    /// Whether it ends with the data frame.
    is_final: bool,
    utf8: Utf8,
}

impl FramesIn {
    /// Takes the next thing off the input; `None` when that is used up. Payloads are unmasked in place.
    pub(super) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Piece<'a>>, Violation> {
        loop {
            match self.frame {
                Frame::Header => {
                    let Some((header, length)) = self.take_header(input)? else { return Ok(None) };
                    self.frame = self.begin(&header, length)?;
                }
                Frame::Data { left: 0, .. } => {
                    self.frame = Frame::Header;
                    if self.is_final
                        && let Some(kind) = self.message.take()
                    {
                        self.utf8.end()?;
                        return Ok(Some(Piece::End(kind)));
                    }
                }
                Frame::Data { left, mask } => {
                    let part = take_part(input, usize::try_from(left).unwrap_or(usize::MAX));
                    if part.is_empty() {
                        return Ok(None);
                    }
                    self.frame = Frame::Data { left: left - part.len() as u64, mask: unmask(part, mask) };
                    if self.message == Some(Data::Text) {
                        self.utf8.push(part)?;
                    }
                    return Ok(Some(Piece::Data(part)));
                }
                Frame::Control { kind, length, mask } => {
                    let missing = length - self.cut.len();
                    let part = take_part(input, missing);
                    if part.len() < missing {
                        self.cut.extend_from_slice(part);
                        return Ok(None);
                    }
                    self.frame = Frame::Header;
                    let payload = if self.cut.is_empty() {
                        unmask(part, mask);
                        Cow::Borrowed(&*part)
                    } else {
                        let mut whole = take(&mut self.cut);
                        whole.extend_from_slice(part);
                        unmask(&mut whole, mask);
                        Cow::Owned(whole)
                    };
                    return Ok(Some(match kind {
                        Control::Ping => Piece::Ping(payload),
                        Control::Close => Piece::Close(close_code(&payload)?),
                        Control::Pong | Control::Reserved(_) => Piece::Pong,
                    }));
                }
            }
        }
    }

    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<(FrameHeader, u64)>, Violation> {
        if self.cut.is_empty() {
            let mut cursor = Cursor::new(&**input);
            let header = parse(&mut cursor)?;
            let taken = if header.is_some() { cursor.position() as usize } else { input.len() };
            let taken = take_part(input, taken);
            if header.is_none() {
                self.cut.extend_from_slice(taken);
            }
            return Ok(header);
        }
        // Byte by byte, for what follows the header is none of it. A header has 14 at most.
        while let Some(byte) = input.split_off_first_mut() {
            self.cut.push(*byte);
            let header = parse(&mut Cursor::new(&self.cut))?;
            if header.is_some() {
                self.cut = Vec::new();
                return Ok(header);
            }
        }
        Ok(None)
    }

    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<Frame, Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::protocol("A WebSocket frame has a reserved bit set."));
        }
        let mask = header.mask.ok_or(Violation::protocol("A WebSocket frame of a client is not masked."))?;
        if length > i64::MAX as u64 {
            return Err(Violation::protocol("The length of a WebSocket frame has its highest bit set."));
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final => {
                Err(Violation::protocol("A WebSocket control frame is fragmented."))
            }
            OpCode::Control(_) if length > MAX_CONTROL => {
                Err(Violation::protocol("A WebSocket control frame is longer than 125 bytes."))
            }
            OpCode::Control(kind) => Ok(Frame::Control { kind, length: length as usize, mask }),
            OpCode::Data(kind) => {
                match (kind, self.message) {
                    (Data::Continue, None) => {
                        return Err(Violation::protocol("A WebSocket frame continues a message that has not begun."));
                    }
                    (Data::Continue, Some(_)) => {}
                    (_, Some(_)) => {
                        return Err(Violation::protocol("A WebSocket message begins within another."));
                    }
                    (kind, None) => self.message = Some(kind),
                }
                self.is_final = header.is_final;
                Ok(Frame::Data { left: length, mask })
            }
        }
    }
}

fn parse(bytes: &mut Cursor<impl AsRef<[u8]>>) -> Result<Option<(FrameHeader, u64)>, Violation> {
    FrameHeader::parse(bytes).map_err(|_| Violation::protocol("The opcode of a WebSocket frame is reserved."))
}

/// The first `most` bytes, or all there are.
fn take_part<'a>(input: &mut &'a mut [u8], most: usize) -> &'a mut [u8] {
    let length = input.len().min(most);
    input.split_off_mut(..length).unwrap_or_default()
}

/// Undoes the masking (5.3), and gives the key as it is for the byte that follows.
fn unmask(bytes: &mut [u8], mut mask: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let length = bytes.len();
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(length % 4);
    mask
}

/// What a close frame says (5.5.1, 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::protocol("The payload of a WebSocket close frame is one byte.")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    // Registered ones, and those that are free for applications.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::protocol("A WebSocket close frame has a code that is not allowed in one."));
    }
    from_utf8(reason).map_err(|_| NotUtf8)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
