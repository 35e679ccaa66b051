//! What comes over a WebSocket, taken apart frame by frame (RFC 6455, section 5), without IO.
//!
//! The payload of a message is handed on as it comes: neither a frame nor a message is ever kept whole, however long it
//! says it is. What is too large is for those to say who know where a hub message ends.

use std::io::Cursor;

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, FrameHeader, Utf8Bytes};

/// The longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The next bytes of messages, cut anywhere.
    Data(Bytes),
    /// A ping, to be answered with this.
    Ping(Bytes),
    Close(Option<CloseFrame>),
}

/// The server broke the rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// What the connection is to be closed with.
    pub(crate) code: CloseCode,
    pub(crate) why: &'static str,
}

/// What has been received and not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) buffer: BytesMut,
    /// What is missing of the payload of a data frame.
    missing: u64,
    /// Whether that is the last frame of its message.
    is_final: bool,
    message: Option<Message>,
}

/// A message that has begun.
#[derive(Debug)]
enum Message {
    Binary,
    Text(Utf8),
}

impl Frames {
    /// Begins with what has come already.
    pub(crate) fn new(buffer: BytesMut) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// How much more would be welcome at once.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// The next piece, unless more has to come for one.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Violation> {
        loop {
            if self.missing > 0 {
                return self.take_data();
            }
            let mut cursor = Cursor::new(&self.buffer[..]);
            let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| broken("an unknown opcode"))?
            else {
                return Ok(None);
            };
            let width = usize::try_from(cursor.position()).unwrap_or_default();
            check(&header, length)?;
            match header.opcode {
                OpCode::Data(kind) => {
                    self.buffer.advance(width);
                    self.begin(kind)?;
                    (self.missing, self.is_final) = (length, header.is_final);
                    if length == 0 {
                        self.end_frame()?;
                    }
                }
                OpCode::Control(kind) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if self.buffer.len() - width < length {
                        return Ok(None);
                    }
                    self.buffer.advance(width);
                    let payload = self.buffer.split_to(length).freeze();
                    match kind {
                        Control::Ping => return Ok(Some(Piece::Ping(payload))),
                        Control::Close => return close(&payload).map(|frame| Some(Piece::Close(frame))),
                        // Nobody has asked.
                        _ => {}
                    }
                }
            }
        }
    }

    fn begin(&mut self, kind: Data) -> Result<(), Violation> {
        match (kind, &self.message) {
            (Data::Continue, Some(_)) => {}
            (Data::Continue, None) => return Err(broken("the continuation of no message")),
            (_, Some(_)) => return Err(broken("a message within another")),
            (Data::Text, None) => self.message = Some(Message::Text(Utf8::default())),
            (_, None) => self.message = Some(Message::Binary),
        }
        Ok(())
    }

    fn take_data(&mut self) -> Result<Option<Piece>, Violation> {
        let length = usize::try_from(self.missing).unwrap_or(usize::MAX).min(self.buffer.len());
        if length == 0 {
            return Ok(None);
        }
        let data = self.buffer.split_to(length).freeze();
        if let Some(Message::Text(text)) = &mut self.message
            && !text.goes_on_with(&data)
        {
            return Err(not_utf8());
        }
        self.missing -= length as u64;
        if self.missing == 0 {
            self.end_frame()?;
        }
        Ok(Some(Piece::Data(data)))
    }

    fn end_frame(&mut self) -> Result<(), Violation> {
        match self.message.take_if(|_| self.is_final) {
            Some(Message::Text(text)) if !text.is_whole() => Err(not_utf8()),
            _ => Ok(()),
        }
    }
}

fn check(header: &FrameHeader, length: u64) -> Result<(), Violation> {
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(broken("a reserved bit, though no extension was agreed on"));
    }
    if header.mask.is_some() {
        return Err(broken("a masked frame"));
    }
    if length > i64::MAX as u64 {
        return Err(broken("a length of more than 63 bits"));
    }
    if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > MAX_CONTROL) {
        return Err(broken("a control frame that is fragmented, or longer than 125 bytes"));
    }
    Ok(())
}

fn close(payload: &Bytes) -> Result<Option<CloseFrame>, Violation> {
    let (code, reason) = match payload.len() {
        0 => return Ok(None),
        1 => return Err(broken("half a close code")),
        _ => (CloseCode::from(u16::from_be_bytes([payload[0], payload[1]])), payload.slice(2..)),
    };
    if !code.is_allowed() {
        return Err(broken("a close code that is not for the wire"));
    }
    let reason = Utf8Bytes::try_from(reason).map_err(|_| not_utf8())?;
    Ok(Some(CloseFrame { code, reason }))
}

fn broken(why: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, why }
}

fn not_utf8() -> Violation {
    Violation { code: CloseCode::Invalid, why: "a text that is not UTF-8" }
}

/// Checks a text that comes in parts.
#[derive(Debug, Default)]
struct Utf8 {
    /// A character that was cut: at most three bytes of it.
    cut: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Whether this may come next.
    fn goes_on_with(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((first, rest)) = bytes.split_first() else { return true };
            self.cut[self.length] = *first;
            self.length += 1;
            bytes = rest;
            match std::str::from_utf8(&self.cut[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let cut = &bytes[error.valid_up_to()..];
                self.cut[..cut.len()].copy_from_slice(cut);
                self.length = cut.len();
                true
            }
            Err(_) => false,
        }
    }

    fn is_whole(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use tungstenite::protocol::frame::CloseFrame;
    use tungstenite::protocol::frame::coding::CloseCode;

    use super::{Frames, Piece, Violation};

    /// What is made of these bytes when they come in two parts: all data together, then what else there was.
    fn taken(bytes: &[u8], cut: usize) -> Result<(Vec<u8>, Vec<Piece>), Violation> {
        let mut frames = Frames::default();
        let (mut data, mut others) = (Vec::new(), Vec::new());
        for part in [&bytes[..cut], &bytes[cut..]] {
            frames.buffer.extend_from_slice(part);
            while let Some(piece) = frames.next()? {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(&bytes),
                    other => others.push(other),
                }
            }
        }
        Ok((data, others))
    }

    #[test]
    fn messages_come_in_parts_wherever_they_are_cut() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let close = |code, reason: &'static str| Piece::Close(Some(CloseFrame { code, reason: reason.into() }));
        for (bytes, data, others) in [
            (&b"\x81\x02hi"[..], &b"hi"[..], vec![]),
            (b"\x82\x01\xff\x82\0\x82\x01\xfe", b"\xff\xfe", vec![]),
            // Fragments, a character over two of them, and a ping between.
            (b"\x01\x02a\xc3\x89\x01p\x80\x02\xa9b", "aéb".as_bytes(), vec![Piece::Ping(Bytes::from_static(b"p"))]),
            (b"\x01\0\0\0\x80\0\x81\x01x", b"x", vec![]),
            (&long, &[7; 256], vec![]),
            // Of a length that no memory holds, there is what has come.
            (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc", b"abc", vec![]),
            (b"\x8a\x03abc\x88\0", b"", vec![Piece::Close(None)]),
            (b"\x88\x02\x03\xe8", b"", vec![close(CloseCode::Normal, "")]),
            (b"\x88\x05\x0f\xa0bye", b"", vec![close(CloseCode::Library(4000), "bye")]),
        ] {
            for cut in 0..=bytes.len() {
                let taken = taken(bytes, cut);
                assert_eq!(taken.as_ref().map(|(data, others)| (&data[..], others)), Ok((data, &others)), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_told_by_its_code() {
        // RFC 6455, sections 5.2, 5.4, 5.5, 7.4 and 8.1
        for (bytes, code, why) in [
            (&b"\xc1\x01a"[..], CloseCode::Protocol, "a reserved bit"),
            (b"\x83\x01a", CloseCode::Protocol, "an unknown opcode"),
            (b"\x8b\0", CloseCode::Protocol, "an unknown opcode"),
            (b"\x81\x81\0\0\0\0a", CloseCode::Protocol, "a masked frame"),
            (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", CloseCode::Protocol, "a length"),
            (b"\x80\x01a", CloseCode::Protocol, "the continuation of no message"),
            (b"\x01\x01a\x81\x01b", CloseCode::Protocol, "a message within another"),
            (b"\x09\0", CloseCode::Protocol, "a control frame"),
            (b"\x89\x7e\0\x7e", CloseCode::Protocol, "a control frame"),
            (b"\x88\x01\x03", CloseCode::Protocol, "half a close code"),
            (b"\x88\x02\x03\xed", CloseCode::Protocol, "a close code"),
            (b"\x88\x03\x03\xe8\xff", CloseCode::Invalid, "a text"),
            (b"\x81\x01\xff", CloseCode::Invalid, "a text"),
            (b"\x81\x01\xc3", CloseCode::Invalid, "a text"),
            (b"\x01\x01\xc3\x80\x01a", CloseCode::Invalid, "a text"),
            (b"\x01\x02\xed\xa0", CloseCode::Invalid, "a text"),
            // It fails as soon as it can be seen.
            (b"\x81\x05\xf4\x90", CloseCode::Invalid, "a text"),
        ] {
            for cut in 0..=bytes.len() {
                let violation = taken(bytes, cut).expect_err("it is one");
                assert_eq!(violation.code, code, "{bytes:x?}");
                assert!(violation.why.starts_with(why), "{bytes:x?}: {}", violation.why);
            }
        }
    }

    #[test]
    fn binary_messages_need_not_be_text() {
        let mut frames = Frames::new(BytesMut::from(&b"\x02\x01\xff\x80\x01\xff"[..]));
        assert_eq!(frames.next(), Ok(Some(Piece::Data(Bytes::from_static(b"\xff")))));
        assert_eq!(frames.next(), Ok(Some(Piece::Data(Bytes::from_static(b"\xff")))));
        assert_eq!(frames.next(), Ok(None));
    }
}
