//! Whether text that comes in pieces is UTF-8.

use std::str::from_utf8;

/// The text so far is no UTF-8, whatever follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// Checks a text piece by piece, cut anywhere, and finds the first wrong byte as soon as it comes.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come: up to three bytes, and a place for the fourth.
    cut: [u8; 4],
    len: usize,
}

impl Utf8 {
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.len > 0
            && let Some((&next, rest)) = piece.split_first()
        {
            self.cut[self.len] = next;
            self.len += 1;
            piece = rest;
            match from_utf8(&self.cut[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        if let Err(error) = from_utf8(piece) {
            if error.error_len().is_some() {
                return Err(NotUtf8);
            }
            let begun = &piece[error.valid_up_to()..];
            self.cut[..begun.len()].copy_from_slice(begun);
            self.len = begun.len();
        }
        Ok(())
    }

    /// The text ends here, and another one may begin.
    pub(super) fn end(&mut self) -> Result<(), NotUtf8> {
        if std::mem::take(&mut self.len) == 0 { Ok(()) } else { Err(NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotUtf8, Utf8};

    fn check(text: &[u8], cuts: &[usize]) -> Result<(), NotUtf8> {
        let mut utf8 = Utf8::default();
        let mut from = 0;
        for &to in cuts.iter().chain([&text.len()]) {
            utf8.push(&text[from..to])?;
            from = to;
        }
        utf8.end()
    }

    #[test]
    fn agrees_with_the_standard_library_wherever_it_is_cut() {
        let texts: &[&[u8]] = &[
            b"",
            b"plain",
            "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
            "a€ß𝄞z".as_bytes(),
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xed\xa0\x80",
            b"\xf0\x80\x80\x80",
            b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80",
            b"a\x80b",
            b"a\xffb",
            b"\xe2\x82",
            b"\xf0\x9d\x84",
            b"\xe2\x82a",
        ];
        for text in texts {
            let right = std::str::from_utf8(text).map(drop).map_err(|_| NotUtf8);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    assert_eq!(check(text, &[first, second]), right, "{text:x?} cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn is_found_at_the_first_byte_that_cannot_be_right() {
        for (right, wrong) in [(&b"ab"[..], 0x80), (b"\xed", 0xa0), (b"\xf4", 0x90), (b"\xe2\x82", b'a')] {
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.push(right), Ok(()), "{right:x?}");
            assert_eq!(utf8.push(&[wrong]), Err(NotUtf8), "{right:x?} {wrong:x}");
        }
    }
}
