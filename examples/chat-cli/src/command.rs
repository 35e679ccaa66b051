//! What the user types.

pub(crate) const HELP: &str = "\
/join ROOM       come into a room, and talk there from now on
/leave           leave the room
/rooms           the rooms with somebody in them
/who             who is in the room
/msg NAME TEXT   tell one person something
/history [COUNT] the last lines of the room
/quit            leave the chat
A line that begins with // is said with one slash less. What you were typing when a line came in is still there, though
you may not see it: Ctrl-R shows it again.";

/// How many lines of history there are when the user does not say.
pub(crate) const HISTORY: u32 = 20;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Nothing,
    Say(&'a str),
    Join(&'a str),
    Leave,
    Rooms,
    Who,
    Msg { name: &'a str, text: &'a str },
    History(u32),
    Help,
    Quit,
}

impl<'a> Command<'a> {
    /// # Errors
    /// What is wrong with the line, for the user.
    pub(crate) fn parse(line: &'a str) -> Result<Self, String> {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return Ok(if line.is_empty() { Self::Nothing } else { Self::Say(line) });
        };
        if command.starts_with('/') {
            return Ok(Self::Say(command));
        }
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        Ok(match word {
            "join" if !rest.is_empty() => Self::Join(rest.strip_prefix('#').unwrap_or(rest)),
            "join" => return Err("Which room? /join ROOM".to_owned()),
            "leave" => Self::Leave,
            "rooms" => Self::Rooms,
            "who" => Self::Who,
            "msg" => match rest.split_once(char::is_whitespace) {
                Some((name, text)) => Self::Msg { name, text: text.trim() },
                None => return Err("Who is to be told what? /msg NAME TEXT".to_owned()),
            },
            "history" if rest.is_empty() => Self::History(HISTORY),
            "history" => Self::History(rest.parse().map_err(|_| format!("{rest} is no number of lines"))?),
            "help" => Self::Help,
            "quit" => Self::Quit,
            _ => return Err(format!("There is no /{word}. /help shows what there is.")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn lines_are_said_unless_they_are_commands() {
        assert_eq!(Command::parse(" hello there "), Ok(Command::Say("hello there")));
        assert_eq!(Command::parse("//join is a command"), Ok(Command::Say("/join is a command")));
        assert_eq!(Command::parse("  "), Ok(Command::Nothing));
        assert_eq!(Command::parse("/join #tea"), Ok(Command::Join("tea")));
        assert_eq!(Command::parse("/msg bob  a b "), Ok(Command::Msg { name: "bob", text: "a b" }));
        assert_eq!(Command::parse("/history 5"), Ok(Command::History(5)));
    }

    #[test]
    fn what_is_no_command_is_explained() {
        for (line, text) in [
            ("/jion tea", "There is no /jion. /help shows what there is."),
            ("/join", "Which room? /join ROOM"),
            ("/msg bob", "Who is to be told what? /msg NAME TEXT"),
            ("/history all", "all is no number of lines"),
        ] {
            assert_eq!(Command::parse(line), Err(text.to_owned()));
        }
    }
}
