//! What the user sees: lines, in colours where they are wanted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, Write};

const DIM: &str = "2";
const RED: &str = "31";
const MAGENTA: &str = "35";
/// Those that can be read on black and on white, without the ones above.
const NAMES: [&str; 5] = ["32", "33", "34", "36", "1"];

pub(crate) struct Screen {
    /// Colours are for terminals, and for those who have not asked for none (<https://no-color.org>).
    colours: bool,
    /// Somebody types in a terminal: there is a prompt, and an unfinished line may stand behind it.
    interactive: bool,
    prompt: String,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: terminal && !no_colour,
            interactive: terminal && std::io::stdin().is_terminal(),
            prompt: String::new(),
        }
    }

    pub(crate) fn prompt(&mut self, room: Option<&str>) {
        self.prompt = room.map_or("> ".to_owned(), |room| format!("#{room}> "));
    }

    /// A line of a room. The old ones are paler.
    pub(crate) fn said(&self, room: &str, from: &str, text: &str, old: bool) {
        if old {
            self.print(&self.paint(DIM, &format!("#{room} {from}: {}", printable(text))));
        } else {
            let place = self.paint(DIM, &format!("#{room}"));
            self.print(&format!("{place} {}: {}", self.name(from), printable(text)));
        }
    }

    /// A line between two.
    pub(crate) fn private(&self, from: &str, to: &str, text: &str) {
        self.print(&self.paint(MAGENTA, &format!("{from} to {to}: {}", printable(text))));
    }

    /// Something that nobody said.
    pub(crate) fn notice(&self, text: &str) {
        self.print(&self.paint(DIM, &format!("* {text}")));
    }

    pub(crate) fn problem(&self, text: &str) {
        self.print(&self.paint(RED, &format!("! {}", printable(text))));
    }

    pub(crate) fn plain(&self, text: &str) {
        self.print(text);
    }

    /// The user has ended a line that will be printed as others see it: what was typed goes.
    pub(crate) fn take_back_line(&self) {
        if self.interactive {
            self.write("\x1b[A\r\x1b[K");
        }
    }

    /// Puts the prompt back where nothing was printed.
    pub(crate) fn ask(&self) {
        if self.interactive {
            self.write(&format!("\r\x1b[K{}", self.prompt));
        }
    }

    fn name(&self, name: &str) -> String {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let index = hasher.finish() % (NAMES.len() as u64);
        self.paint(NAMES[usize::try_from(index).unwrap_or_default()], name)
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Prints above the prompt.
    fn print(&self, text: &str) {
        if self.interactive {
            self.write(&format!("\r\x1b[K{text}\n{}", self.prompt));
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // Where nobody looks any more, nobody misses it.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Text of others, without what would move the cursor or change the terminal. Further lines are indented.
fn printable(text: &str) -> String {
    let harmless = text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c });
    harmless.collect::<String>().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(super::printable("a\x1b[2Jb\nc\r"), "a\u{fffd}[2Jb\n    c\u{fffd}");
    }
}
