//! A secret as it stands in Redis: text, for Redis repeats what it refuses in its errors, and those are text.

use std::fmt::Write;

/// In hexadecimal.
pub(crate) fn written(secret: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in secret {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// From what is in Redis. The bytes themselves are what nodes wrote before there was a text.
pub(crate) fn read(kept: &[u8]) -> Option<[u8; 32]> {
    if let Ok(secret) = kept.try_into() {
        return Some(secret);
    }
    let text = std::str::from_utf8(kept).ok().filter(|text| text.len() == 64 && text.is_ascii())?;
    let mut secret = [0; 32];
    for (at, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::{read, written};

    #[test]
    fn a_secret_comes_back_from_its_text_and_from_its_bytes() {
        let secret: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        assert_eq!(read(written(&secret).as_bytes()), Some(secret));
        assert_eq!(read(&secret), Some(secret));
        for odd in [&b""[..], b"zz", &[b'0'; 63], &[b'g'; 64], &[0xff; 64], "\u{e4}".repeat(32).as_bytes()] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }
}
