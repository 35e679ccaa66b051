//! The logic of the rooms, without a server.

mod cases;

use std::sync::Arc;

use chat::rules::{self, NAME_LENGTH, TEXT_LENGTH};
use chat::{Rooms, RoomsInMemory};
use hub_core::Result;

/// New rooms for the cases, and what has to live as long.
async fn new_rooms() -> Option<(Arc<dyn Rooms>, ())> {
    Some((Arc::new(RoomsInMemory::default()), ()))
}

fn refusal<T>(result: Result<T>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    assert!(error.is_public(), "{error} is for the user");
    error.to_string()
}

#[test]
fn bad_names_are_refused_with_what_is_allowed() {
    let long = "a".repeat(NAME_LENGTH + 1);
    for name in ["", "  ", "two words", "<b>", "a\nb", &long] {
        let said = refusal(rules::nickname(name));
        assert_eq!(said, "A nickname has 1 to 24 letters, digits, hyphens or underscores.", "{name:?}");
    }
    for name in ["", "Lobby", "a b", "ä", &long] {
        let said = refusal(rules::room(name));
        assert!(said.starts_with("The name of a room has 1 to 24 letters from a to z"), "{name:?}: {said}");
    }
    assert_eq!(rules::nickname(" Zoë_李-7 ").unwrap(), "Zoë_李-7");
    assert_eq!(refusal(rules::key(&"k".repeat(65))), "The key has 65 bytes, 64 are allowed.");
    assert!(rules::key(&"k".repeat(64)).is_ok());
}

#[test]
fn texts_have_limits() {
    assert_eq!(rules::text("  hi\nyou ").unwrap(), "hi\nyou");
    assert!(rules::text(&"ä".repeat(TEXT_LENGTH)).is_ok());
    let long = "ä".repeat(TEXT_LENGTH + 1);
    assert_eq!(refusal(rules::text(&long)), "The text has 2001 characters, 2000 are allowed.");
    assert_eq!(refusal(rules::text(" \n ")), "There is nothing to say.");
}
