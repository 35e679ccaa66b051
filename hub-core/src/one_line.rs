//! What others say, in a line of a log.

use std::fmt::{self, Display, Write};

/// The longest text that is shown, in characters.
const LONGEST: usize = 1000;

/// Shows in one line what a peer or an error says: for logs and terminals.
///
/// Control characters, line breaks of all kinds, and characters that turn the direction of what follows are escaped as in
/// Rust; from 1,000 characters on the rest is left out.
///
/// ```
/// use hub_core::OneLine;
///
/// assert_eq!(OneLine("a \"name\"\r\nERROR \u{1b}[2J").to_string(), r#"a "name"\r\nERROR \u{1b}[2J"#);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaped = Escaped { to: f, room: LONGEST, is_cut: false };
        let written = write!(escaped, "{}", self.0);
        if escaped.is_cut { f.write_str("..") } else { written }
    }
}

struct Escaped<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    room: usize,
    is_cut: bool,
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.room == 0 {
                self.is_cut = true;
                // So that the value says no more.
                return Err(fmt::Error);
            }
            self.room -= 1;
            if misleads(c) {
                write!(self.to, "{}", c.escape_default())?;
            } else {
                self.to.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal or a reader would take this for more than a character of the text.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped() {
        let rows = [
            ("", ""),
            ("plain, 'quoted' \"text\" \\ Zoë 李 👋 नमस्ते", "plain, 'quoted' \"text\" \\ Zoë 李 👋 नमस्ते"),
            ("a\r\n2026-01-01 ERROR b\tc", "a\\r\\n2026-01-01 ERROR b\\tc"),
            ("\u{1b}[31mred\u{9b}0m\0\u{7f}", "\\u{1b}[31mred\\u{9b}0m\\u{0}\\u{7f}"),
            ("next\u{85}line\u{2028}and\u{2029}", "next\\u{85}line\\u{2028}and\\u{2029}"),
            ("user\u{202e}nimda\u{2066}", "user\\u{202e}nimda\\u{2066}"),
        ];
        for (text, shown) in rows {
            assert_eq!(OneLine(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let fits = "ä".repeat(LONGEST);
        assert_eq!(OneLine(&fits).to_string(), fits);
        assert_eq!(OneLine(format_args!("{fits}{fits}")).to_string(), format!("{fits}.."));
    }
}
