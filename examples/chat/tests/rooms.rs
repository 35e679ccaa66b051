//! The logic of the rooms, without a server.

use chat::{HISTORY, MEMBERS, NAME_LENGTH, ROOMS, ROOMS_EACH, Rooms, TEXT_LENGTH};
use chat_contract::Line;
use hub_core::{ConnectionId, Result};

/// Connects, and takes a nickname.
fn enter(rooms: &Rooms, name: &str) -> ConnectionId {
    let id = ConnectionId::from(format!("connection of {name}"));
    rooms.open(&id);
    rooms.enter(&id, name, "").unwrap();
    id
}

fn refusal<T>(result: Result<T>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    assert!(error.is_public(), "{error} is for the user");
    error.to_string()
}

fn online(rooms: &Rooms, id: &ConnectionId, room: &str) -> Vec<String> {
    rooms.presence(id, room).unwrap().online
}

#[test]
fn a_nickname_belongs_to_one_at_a_time() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, " Ann ");
    let other = ConnectionId::from("other");
    rooms.open(&other);
    assert_eq!(refusal(rooms.enter(&other, "aNN", "")), "The nickname aNN is taken.");
    assert_eq!(refusal(rooms.enter(&ann, "Anna", "")), "You are Ann already.");
    rooms.close(&ann);
    assert_eq!(rooms.enter(&other, "aNN", "").unwrap().name, "aNN");
}

#[test]
fn of_many_who_want_a_nickname_one_gets_it() {
    let rooms = Rooms::default();
    let winners = std::thread::scope(|scope| {
        let wants: Vec<_> = (0..8)
            .map(|number| {
                let rooms = rooms.clone();
                scope.spawn(move || {
                    let id = ConnectionId::from(number.to_string());
                    rooms.open(&id);
                    rooms.enter(&id, "Ann", "").is_ok()
                })
            })
            .collect();
        wants.into_iter().map(|want| want.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(winners, 1);
}

#[test]
fn bad_names_are_refused_with_what_is_allowed() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    let nameless = ConnectionId::from("nameless");
    rooms.open(&nameless);
    let long = "a".repeat(NAME_LENGTH + 1);
    for name in ["", "  ", "two words", "<b>", "a\nb", &long] {
        let said = refusal(rooms.enter(&nameless, name, ""));
        assert_eq!(said, "A nickname has 1 to 24 letters, digits, hyphens or underscores.", "{name:?}");
    }
    for name in ["", "Lobby", "a b", "ä", &long] {
        let said = refusal(rooms.join(&ann, name).map(|_| ()));
        assert!(said.starts_with("The name of a room has 1 to 24 letters from a to z"), "{name:?}: {said}");
    }
    assert!(rooms.enter(&nameless, "Zoë_李-7", &"k".repeat(65)).is_err());
    assert!(rooms.enter(&nameless, "Zoë_李-7", &"k".repeat(64)).is_ok());
}

#[test]
fn the_nameless_can_do_nothing() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    rooms.join(&ann, "lobby").unwrap();
    let id = ConnectionId::from("nameless");
    for _ in ["not connected", "connected"] {
        let refusals = [
            refusal(rooms.join(&id, "lobby").map(|_| ())),
            refusal(rooms.leave(&id, "lobby").map(|_| ())),
            refusal(rooms.say(&id, "lobby", "x").map(|_| ())),
            refusal(rooms.tell(&id, "Ann", "x").map(|_| ())),
            refusal(rooms.history(&id, "lobby", 1).map(|_| ())),
            refusal(rooms.list(&id).map(|_| ())),
        ];
        assert!(refusals.iter().all(|said| said == "Choose a nickname first."), "{refusals:?}");
        rooms.open(&id);
    }
}

#[test]
fn an_ended_connection_takes_nothing() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    rooms.close(&ann);
    assert_eq!(refusal(rooms.enter(&ann, "Ann", "").map(|_| ())), "The connection has ended.");
    assert!(rooms.join(&ann, "lobby").is_err());
    let late = enter(&rooms, "Late");
    rooms.join(&late, "lobby").unwrap();
    assert_eq!(online(&rooms, &late, "lobby"), ["Late"]);
}

#[test]
fn comings_and_goings_tell_who_is_there() {
    let rooms = Rooms::default();
    let (zoe, ann) = (enter(&rooms, "zoe"), enter(&rooms, "Ann"));
    let first = rooms.join(&zoe, "lobby").unwrap().unwrap();
    assert_eq!(first.online, ["zoe"]);
    let second = rooms.join(&ann, "lobby").unwrap().unwrap();
    assert_eq!((second.name.as_str(), second.online.as_slice()), ("Ann", &["Ann".to_owned(), "zoe".to_owned()][..]));
    assert!(second.at > first.at);
    assert_eq!(rooms.join(&ann, "lobby").unwrap(), None, "there already");

    let left = rooms.leave(&zoe, "lobby").unwrap();
    assert_eq!((left.room.as_str(), left.presence.online.as_slice()), ("lobby", &["Ann".to_owned()][..]));
    assert_eq!(refusal(rooms.leave(&zoe, "lobby").map(|_| ())), "You are not in the room lobby.");
    assert_eq!(refusal(rooms.say(&zoe, "lobby", "x").map(|_| ())), "You are not in the room lobby.");
    assert_eq!(online(&rooms, &ann, "lobby"), ["Ann"]);
}

#[test]
fn a_disconnect_leaves_all_rooms() {
    let rooms = Rooms::default();
    let (ann, bob) = (enter(&rooms, "Ann"), enter(&rooms, "Bob"));
    for room in ["a", "b"] {
        rooms.join(&ann, room).unwrap();
        rooms.join(&bob, room).unwrap();
    }
    let left: Vec<_> = rooms.close(&ann).into_iter().map(|left| (left.room, left.presence.online)).collect();
    assert_eq!(left, [("a".to_owned(), vec!["Bob".to_owned()]), ("b".to_owned(), vec!["Bob".to_owned()])]);
    assert_eq!(rooms.close(&ann), []);
    assert_eq!(refusal(rooms.tell(&bob, "Ann", "x").map(|_| ())), "Nobody here is called Ann.");
}

#[test]
fn the_key_takes_a_nickname_over() {
    let rooms = Rooms::default();
    let [old, new, thief] = ["old", "new", "thief"].map(ConnectionId::from);
    [&old, &new, &thief].into_iter().for_each(|id| rooms.open(id));
    rooms.enter(&old, "Ann", "secret").unwrap();
    rooms.join(&old, "lobby").unwrap();
    assert!(rooms.enter(&thief, "Ann", "guess").is_err());
    assert!(rooms.enter(&thief, "Ann", "").is_err());

    let (replaced, left) = rooms.enter(&new, "Ann", "secret").unwrap().replaced.unwrap();
    assert_eq!((replaced, left.len()), (old.clone(), 1));
    assert!(rooms.say(&old, "lobby", "x").is_err());
    rooms.join(&new, "lobby").unwrap();
    assert_eq!(rooms.close(&old), [], "the old connection's end takes nothing from the new one");
    assert_eq!(online(&rooms, &new, "lobby"), ["Ann"]);
}

#[test]
fn a_nickname_without_a_key_stays() {
    let rooms = Rooms::default();
    enter(&rooms, "Ann");
    let other = ConnectionId::from("other");
    rooms.open(&other);
    assert!(rooms.enter(&other, "Ann", "").is_err());
}

#[test]
fn history_keeps_the_last_lines_in_order() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    rooms.join(&ann, "lobby").unwrap();
    for number in 0..HISTORY + 5 {
        rooms.say(&ann, "lobby", &number.to_string()).unwrap();
    }
    let all = rooms.history(&ann, "lobby", u32::MAX).unwrap();
    assert_eq!((all.len(), all[0].text.as_str()), (HISTORY, "5"));
    assert!(all.is_sorted_by(|a: &Line, b: &Line| a.at < b.at), "no two lines have the same moment");
    assert_eq!(rooms.history(&ann, "lobby", 2).unwrap(), all[HISTORY - 2..]);
    assert_eq!(rooms.history(&ann, "lobby", 0).unwrap(), []);

    rooms.leave(&ann, "lobby").unwrap();
    rooms.join(&ann, "lobby").unwrap();
    assert_eq!(rooms.history(&ann, "lobby", 1).unwrap()[0].text, (HISTORY + 4).to_string(), "an empty room is kept");
}

#[test]
fn texts_have_limits() {
    let rooms = Rooms::default();
    let (ann, bob) = (enter(&rooms, "Ann"), enter(&rooms, "Bob"));
    rooms.join(&ann, "lobby").unwrap();
    assert_eq!(rooms.say(&ann, "lobby", "  hi\nyou ").unwrap().text, "hi\nyou");
    assert_eq!(rooms.say(&ann, "lobby", &"ä".repeat(TEXT_LENGTH)).unwrap().from, "Ann");
    let long = "ä".repeat(TEXT_LENGTH + 1);
    let too_long = "The text has 2001 characters, 2000 are allowed.";
    assert_eq!(refusal(rooms.say(&ann, "lobby", &long).map(|_| ())), too_long);
    assert_eq!(refusal(rooms.tell(&ann, "Bob", &long).map(|_| ())), too_long);
    assert_eq!(refusal(rooms.say(&ann, "lobby", " \n ").map(|_| ())), "There is nothing to say.");
    let (to, line) = rooms.tell(&ann, " bob", "psst").unwrap();
    assert_eq!((to, line.from.as_str(), line.text.as_str()), (bob, "Ann", "psst"));
    assert_eq!(refusal(rooms.tell(&ann, "ANN", "x").map(|_| ())), "That is you.");
}

#[test]
fn there_are_so_many_rooms_and_places() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    for number in 0..ROOMS_EACH {
        rooms.join(&ann, &format!("r{number}")).unwrap();
    }
    assert!(refusal(rooms.join(&ann, "more").map(|_| ())).starts_with("You are in 20 rooms"));
    rooms.join(&ann, "r0").unwrap();
    for number in 1..MEMBERS {
        rooms.join(&enter(&rooms, &format!("n{number}")), "r0").unwrap();
    }
    let late = enter(&rooms, "late");
    assert_eq!(refusal(rooms.join(&late, "r0").map(|_| ())), "The room r0 is full: 200 people are there.");
}

#[test]
fn a_new_room_takes_the_place_of_the_quietest_empty_one() {
    let rooms = Rooms::default();
    let ann = enter(&rooms, "Ann");
    for number in 0..ROOMS {
        let room = format!("r{number}");
        rooms.join(&ann, &room).unwrap();
        rooms.say(&ann, &room, "hi").unwrap();
        rooms.leave(&ann, &room).unwrap();
    }
    rooms.join(&ann, "new").unwrap();
    rooms.join(&ann, "r1").unwrap();
    assert_eq!(rooms.history(&ann, "r1", 1).unwrap().len(), 1);
    rooms.join(&ann, "r0").unwrap();
    assert_eq!(rooms.history(&ann, "r0", 1).unwrap(), [], "it was the quietest");
    assert_eq!(rooms.list(&ann).unwrap().len(), 3, "only those with somebody in them are listed");
}
