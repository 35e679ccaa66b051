//! Frames to the server, which are masked (RFC 6455, section 5.3), without IO.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::Lost;

/// How large a buffer an idle connection keeps.
const KEPT: usize = 64 * 1024;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    buffer: BytesMut,
    /// The answer to the last ping, while an earlier one is still being written. Only the last counts (RFC 6455, section
    /// 5.5.3): however many pings come, no more than two answers wait.
    pong: Option<Bytes>,
    /// Whether there is an answer to a ping in the buffer.
    has_pong: bool,
    keys: Keys,
}

impl Outgoing {
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the answer to a ping is among it.
    pub(crate) fn has_pong(&self) -> bool {
        self.has_pong
    }

    /// What is to be written next.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// So much of it is written.
    ///
    /// # Errors
    /// As for [`message`](Self::message).
    pub(crate) fn written(&mut self, length: usize) -> Result<(), Lost> {
        self.buffer.advance(length);
        if !self.buffer.is_empty() {
            return Ok(());
        }
        self.has_pong = false;
        if let Some(pong) = self.pong.take() {
            return self.pong(pong);
        }
        if self.buffer.capacity() > KEPT {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// Adds a whole message.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn message(&mut self, kind: Data, payload: &[u8]) -> Result<(), Lost> {
        self.frame(OpCode::Data(kind), payload)
    }

    /// Adds the answer to a ping, or keeps it instead of the one that waits.
    ///
    /// # Errors
    /// As for [`message`](Self::message).
    pub(crate) fn pong(&mut self, payload: Bytes) -> Result<(), Lost> {
        if self.has_pong {
            self.pong = Some(payload);
            return Ok(());
        }
        self.has_pong = true;
        self.frame(OpCode::Control(Control::Pong), &payload)
    }

    /// Adds the last frame.
    ///
    /// # Errors
    /// As for [`message`](Self::message).
    pub(crate) fn close(&mut self, code: CloseCode) -> Result<(), Lost> {
        // Nothing comes behind it.
        self.pong = None;
        self.frame(OpCode::Control(Control::Close), &u16::from(code).to_be_bytes())
    }

    fn frame(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Lost> {
        let key = self.keys.next().map_err(Lost::new)?;
        let header = FrameHeader { opcode, mask: Some(key), ..FrameHeader::default() };
        let length = payload.len() as u64;
        self.buffer.reserve(header.len(length) + payload.len());
        header.format(length, &mut (&mut self.buffer).writer()).map_err(Lost::new)?;
        let begin = self.buffer.len();
        self.buffer.extend_from_slice(payload);
        mask(&mut self.buffer[begin..], key);
        Ok(())
    }
}

fn mask(payload: &mut [u8], key: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(key.len());
    for word in &mut words {
        let masked = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]) ^ u32::from_ne_bytes(key);
        word.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Random keys, as many at once as one question to the system is worth.
#[derive(Debug)]
struct Keys {
    bytes: [u8; 128],
    used: usize,
}

impl Default for Keys {
    fn default() -> Self {
        let bytes = [0; 128];
        Self { used: bytes.len(), bytes }
    }
}

impl Keys {
    fn next(&mut self) -> Result<[u8; 4], getrandom::Error> {
        if self.used == self.bytes.len() {
            getrandom::fill(&mut self.bytes)?;
            self.used = 0;
        }
        let mut key = [0; 4];
        key.copy_from_slice(&self.bytes[self.used..self.used + 4]);
        self.used += 4;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tungstenite::protocol::frame::coding::{CloseCode, Data};

    use super::Outgoing;

    /// The frames as the server reads them: opcode and payload of each.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        while let [first, second, rest @ ..] = bytes {
            assert_eq!(first & 0xf0, 0x80, "it is whole");
            assert_eq!(second & 0x80, 0x80, "it is masked");
            let (length, rest) = match second & 0x7f {
                126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
                127 => (usize::try_from(u64::from_be_bytes(rest[..8].try_into().unwrap())).unwrap(), &rest[8..]),
                short => (usize::from(short), rest),
            };
            let (key, rest) = rest.split_at(4);
            let payload = rest[..length].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
            frames.push((first & 0x0f, payload.collect()));
            bytes = &rest[length..];
        }
        frames
    }

    #[test]
    fn frames_are_masked_with_keys_of_their_own() {
        let mut out = Outgoing::default();
        let messages = [0, 1, 3, 4, 125, 126, 65_535, 65_536].map(|length| vec![b'x'; length]);
        for message in &messages {
            out.message(Data::Text, message).unwrap();
        }
        out.message(Data::Binary, &[1, 2, 3, 4, 5]).unwrap();
        out.close(CloseCode::Normal).unwrap();
        let mut expected: Vec<_> = messages.into_iter().map(|message| (1, message)).collect();
        expected.extend([(2, vec![1, 2, 3, 4, 5]), (8, vec![0x03, 0xe8])]);
        assert_eq!(frames(out.bytes()), expected);

        let mut keys = super::Keys::default();
        let some: std::collections::HashSet<_> = (0..1000).map(|_| keys.next().unwrap()).collect();
        assert!(some.len() > 990);
    }

    #[test]
    fn however_many_pings_come_two_answers_wait_at_most() {
        let mut out = Outgoing::default();
        out.message(Data::Text, b"before").unwrap();
        for number in 0..100_000_u32 {
            out.pong(Bytes::copy_from_slice(&number.to_be_bytes())).unwrap();
        }
        assert_eq!(frames(out.bytes()), [(1, b"before".to_vec()), (10, vec![0; 4])]);
        // The last one is answered as soon as the first answer is written.
        out.written(1).unwrap();
        out.written(out.len()).unwrap();
        assert_eq!(frames(out.bytes()), [(10, 99_999_u32.to_be_bytes().to_vec())]);
        out.written(out.len()).unwrap();
        assert_eq!(out.len(), 0);
        out.pong(Bytes::new()).unwrap();
        out.pong(Bytes::new()).unwrap();
        // None comes behind a close frame.
        out.close(CloseCode::Normal).unwrap();
        out.written(out.len()).unwrap();
        assert_eq!(out.len(), 0);
    }
}
