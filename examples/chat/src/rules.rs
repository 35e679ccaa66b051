//! What users may type, and how much of everything there may be. Each refusal is a sentence for the user.

use hub_core::{HubError, Result};

/// The longest name of a person or a room, in characters.
pub const NAME_LENGTH: usize = 24;

/// The longest text of a line, in characters.
pub const TEXT_LENGTH: usize = 2000;

/// How many rooms one connection may be in.
pub const ROOMS_EACH: usize = 20;

/// How many rooms the server keeps. One more takes the place of the empty room that was quiet for longest.
pub const ROOMS: usize = 1000;

/// How many people a room takes.
pub const MEMBERS: usize = 200;

/// How many lines of a room are kept.
pub const HISTORY: usize = 200;

/// How many bytes all lines take that are kept of a room. The oldest give way to the newest.
pub const HISTORY_BYTES: usize = 64 * 1024;

const KEY_LENGTH: usize = 64;

/// Checks a nickname, which may come with space around it.
///
/// # Errors
/// When it is none: what is allowed.
pub fn nickname(name: &str) -> Result<&str> {
    let name = name.trim();
    if is_name(name, char::is_alphanumeric) {
        return Ok(name);
    }
    refuse(format!("A nickname has 1 to {NAME_LENGTH} letters, digits, hyphens or underscores."))
}

/// Checks the name of a room.
///
/// # Errors
/// When it is none: what is allowed.
pub fn room(name: &str) -> Result<&str> {
    if is_name(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Ok(name);
    }
    refuse(format!("The name of a room has 1 to {NAME_LENGTH} letters from a to z, digits, hyphens or underscores."))
}

fn is_name(name: &str, allowed: impl Fn(char) -> bool) -> bool {
    (1..=NAME_LENGTH).contains(&name.chars().count()) && name.chars().all(|c| allowed(c) || c == '-' || c == '_')
}

/// Checks what is said, and takes the space around it away.
///
/// # Errors
/// When there is nothing, or too much of it.
pub fn text(text: &str) -> Result<&str> {
    let text = text.trim();
    match text.chars().count() {
        0 => refuse("There is nothing to say."),
        1..=TEXT_LENGTH => Ok(text),
        length => refuse(format!("The text has {length} characters, {TEXT_LENGTH} are allowed.")),
    }
}

/// Checks the secret that a nickname is kept with.
///
/// # Errors
/// When it is too long.
pub fn key(key: &str) -> Result<&str> {
    if key.len() <= KEY_LENGTH {
        return Ok(key);
    }
    refuse(format!("The key has {} bytes, {KEY_LENGTH} are allowed.", key.len()))
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(HubError::public(why))
}

/// What makes two nicknames the same: nobody is to pass for another by the case of a letter.
pub fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Why something that is well-formed cannot be. As a [`HubError`] it is a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The connection has ended.
    Ended,
    /// The connection has no nickname.
    Nameless,
    /// It has this nickname already.
    Named(&'a str),
    /// Somebody else has this nickname.
    Taken(&'a str),
    /// It is not in this room.
    NotThere(&'a str),
    /// It is in [`ROOMS_EACH`] rooms.
    RoomsEach,
    /// [`MEMBERS`] people are in this room.
    Full(&'a str),
    /// There are [`ROOMS`] rooms, with somebody in each.
    Rooms,
    /// Nobody has this nickname.
    Unknown(&'a str),
    /// The nickname is the caller's own.
    Yourself,
}

impl From<Refusal<'_>> for HubError {
    fn from(refusal: Refusal<'_>) -> Self {
        Self::public(match refusal {
            Refusal::Ended => "The connection has ended.".to_owned(),
            Refusal::Nameless => "Choose a nickname first.".to_owned(),
            Refusal::Named(name) => format!("You are {name} already."),
            Refusal::Taken(name) => format!("The nickname {name} is taken."),
            // The name is told only if it is one: it is the caller's text.
            Refusal::NotThere(name) => match room(name) {
                Ok(name) => format!("You are not in the room {name}."),
                Err(no_name) => return no_name,
            },
            Refusal::RoomsEach => format!("You are in {ROOMS_EACH} rooms, and more are not allowed: leave one first."),
            Refusal::Full(room) => format!("The room {room} is full: {MEMBERS} people are there."),
            Refusal::Rooms => format!("There are {ROOMS} rooms, and more are not allowed: join one of them."),
            // Cut, for it is the caller's text.
            Refusal::Unknown(name) => {
                format!("Nobody here is called {}.", name.chars().take(NAME_LENGTH).collect::<String>())
            }
            Refusal::Yourself => "That is you.".to_owned(),
        })
    }
}
