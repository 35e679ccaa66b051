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

const KEY_LENGTH: usize = 64;

/// Checks a nickname, which may come with space around it.
pub(crate) fn nickname(name: &str) -> Result<&str> {
    let name = name.trim();
    if is_name(name, char::is_alphanumeric) {
        return Ok(name);
    }
    refuse(format!("A nickname has 1 to {NAME_LENGTH} letters, digits, hyphens or underscores."))
}

/// Checks the name of a room.
pub(crate) fn room(name: &str) -> Result<&str> {
    if is_name(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Ok(name);
    }
    refuse(format!("The name of a room has 1 to {NAME_LENGTH} letters from a to z, digits, hyphens or underscores."))
}

fn is_name(name: &str, allowed: impl Fn(char) -> bool) -> bool {
    (1..=NAME_LENGTH).contains(&name.chars().count()) && name.chars().all(|c| allowed(c) || c == '-' || c == '_')
}

/// Checks what is said, and takes the space around it away.
pub(crate) fn text(text: &str) -> Result<&str> {
    let text = text.trim();
    match text.chars().count() {
        0 => refuse("There is nothing to say."),
        1..=TEXT_LENGTH => Ok(text),
        length => refuse(format!("The text has {length} characters, {TEXT_LENGTH} are allowed.")),
    }
}

/// Checks the secret that a nickname is kept with.
pub(crate) fn key(key: &str) -> Result<&str> {
    if key.len() <= KEY_LENGTH {
        return Ok(key);
    }
    refuse(format!("The key has {} bytes, {KEY_LENGTH} are allowed.", key.len()))
}

/// Refuses, with a sentence for the user.
pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(HubError::public(why))
}
