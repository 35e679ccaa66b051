//! What holds of all rooms, wherever they are kept: `new_rooms` of the including file makes some.

use std::sync::Arc;

use chat::Rooms;
use chat::rules::{HISTORY, HISTORY_BYTES, MEMBERS, ROOMS, ROOMS_EACH, TEXT_LENGTH};
use chat_contract::Line;
use hub_core::{ConnectionId, Result};

use super::new_rooms;

/// Connects, and takes a nickname.
async fn enter(rooms: &dyn Rooms, name: &str) -> ConnectionId {
    let id = ConnectionId::from(format!("connection of {name}"));
    rooms.open(&id).await.unwrap();
    rooms.enter(&id, name, "").await.unwrap();
    id
}

fn refusal<T>(result: Result<T>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    assert!(error.is_public(), "{error} is for the user");
    error.to_string()
}

async fn online(rooms: &dyn Rooms, id: &ConnectionId, room: &str) -> Vec<String> {
    rooms.presence(id, room).await.unwrap().online
}

#[tokio::test]
async fn a_nickname_belongs_to_one_at_a_time() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    let other = ConnectionId::from("other");
    rooms.open(&other).await.unwrap();
    assert_eq!(refusal(rooms.enter(&other, "aNN", "").await), "The nickname aNN is taken.");
    assert_eq!(refusal(rooms.enter(&ann, "Anna", "").await), "You are Ann already.");
    rooms.close(&ann).await.unwrap();
    assert_eq!(rooms.enter(&other, "aNN", "").await.unwrap().name, "aNN");
    rooms.open(&ann).await.unwrap();
    enter(&*rooms, "zoë_李").await;
    assert_eq!(refusal(rooms.enter(&ann, "ZOË_李", "").await), "The nickname ZOË_李 is taken.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_a_nickname_one_gets_it() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let wants = (0..8).map(|number| {
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            let id = ConnectionId::from(number.to_string());
            rooms.open(&id).await.unwrap();
            rooms.enter(&id, "Ann", "").await.is_ok()
        })
    });
    let wants: Vec<_> = wants.collect();
    let mut winners = 0;
    for want in wants {
        winners += usize::from(want.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn the_nameless_can_do_nothing() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    rooms.join(&ann, "lobby").await.unwrap();
    let id = ConnectionId::from("nameless");
    for _ in ["not connected", "connected"] {
        let refusals = [
            refusal(rooms.join(&id, "lobby").await),
            refusal(rooms.leave(&id, "lobby").await),
            refusal(rooms.say(&id, "lobby", "x").await),
            refusal(rooms.tell(&id, "Ann", "x").await),
            refusal(rooms.history(&id, "lobby", 1).await),
            refusal(rooms.list(&id).await),
        ];
        assert!(refusals.iter().all(|said| said == "Choose a nickname first."), "{refusals:?}");
        rooms.open(&id).await.unwrap();
    }
}

#[tokio::test]
async fn an_ended_connection_takes_nothing() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    rooms.close(&ann).await.unwrap();
    assert_eq!(refusal(rooms.enter(&ann, "Ann", "").await), "The connection has ended.");
    assert!(rooms.join(&ann, "lobby").await.is_err());
    let late = enter(&*rooms, "Late").await;
    rooms.join(&late, "lobby").await.unwrap();
    assert_eq!(online(&*rooms, &late, "lobby").await, ["Late"]);
}

#[tokio::test]
async fn comings_and_goings_tell_who_is_there() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let (zoe, ann) = (enter(&*rooms, "zoe").await, enter(&*rooms, "Ann").await);
    let first = rooms.join(&zoe, "lobby").await.unwrap().unwrap();
    assert_eq!(first.online, ["zoe"]);
    let second = rooms.join(&ann, "lobby").await.unwrap().unwrap();
    assert_eq!((second.name.as_str(), second.online.as_slice()), ("Ann", &["Ann".to_owned(), "zoe".to_owned()][..]));
    assert!(second.at > first.at);
    assert_eq!(rooms.join(&ann, "lobby").await.unwrap(), None, "there already");

    let left = rooms.leave(&zoe, "lobby").await.unwrap();
    assert_eq!((left.room.as_str(), left.presence.online.as_slice()), ("lobby", &["Ann".to_owned()][..]));
    assert_eq!(refusal(rooms.leave(&zoe, "lobby").await), "You are not in the room lobby.");
    assert_eq!(refusal(rooms.say(&zoe, "lobby", "x").await), "You are not in the room lobby.");
    for name in ["", "a\nb", "no room"] {
        let said = refusal(rooms.say(&zoe, name, "x").await);
        assert!(said.starts_with("The name of a room has 1 to 24 letters"), "{said}");
    }
    assert_eq!(online(&*rooms, &ann, "lobby").await, ["Ann"]);
}

#[tokio::test]
async fn a_disconnect_leaves_all_rooms() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let (ann, bob) = (enter(&*rooms, "Ann").await, enter(&*rooms, "Bob").await);
    for room in ["a", "b"] {
        rooms.join(&ann, room).await.unwrap();
        rooms.join(&bob, room).await.unwrap();
    }
    let left: Vec<_> =
        rooms.close(&ann).await.unwrap().into_iter().map(|left| (left.room, left.presence.online)).collect();
    assert_eq!(left, [("a".to_owned(), vec!["Bob".to_owned()]), ("b".to_owned(), vec!["Bob".to_owned()])]);
    assert_eq!(rooms.close(&ann).await.unwrap(), []);
    assert_eq!(refusal(rooms.tell(&bob, "Ann", "x").await), "Nobody here is called Ann.");
}

#[tokio::test]
async fn the_key_takes_a_nickname_over() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let [old, new, thief] = ["old", "new", "thief"].map(ConnectionId::from);
    for id in [&old, &new, &thief] {
        rooms.open(id).await.unwrap();
    }
    rooms.enter(&old, "Ann", "secret").await.unwrap();
    rooms.join(&old, "lobby").await.unwrap();
    assert!(rooms.enter(&thief, "Ann", "guess").await.is_err());
    assert!(rooms.enter(&thief, "Ann", "").await.is_err());

    let (replaced, left) = rooms.enter(&new, "Ann", "secret").await.unwrap().replaced.unwrap();
    assert_eq!((replaced, left.len()), (old.clone(), 1));
    assert_eq!(refusal(rooms.say(&old, "lobby", "x").await), "Choose a nickname first.");
    rooms.join(&new, "lobby").await.unwrap();
    assert_eq!(rooms.enter(&old, "Ann2", "").await.unwrap().name, "Ann2", "it may begin again");
    assert_eq!(rooms.close(&old).await.unwrap(), [], "the old connection's end takes nothing from the new one");
    assert_eq!(online(&*rooms, &new, "lobby").await, ["Ann"]);
}

#[tokio::test]
async fn a_nickname_without_a_key_stays() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    enter(&*rooms, "Ann").await;
    let other = ConnectionId::from("other");
    rooms.open(&other).await.unwrap();
    assert!(rooms.enter(&other, "Ann", "").await.is_err());
}

#[tokio::test]
async fn history_keeps_the_last_lines_in_order() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    rooms.join(&ann, "lobby").await.unwrap();
    for number in 0..HISTORY + 5 {
        rooms.say(&ann, "lobby", &number.to_string()).await.unwrap();
    }
    let all = rooms.history(&ann, "lobby", u32::MAX).await.unwrap();
    assert_eq!((all.len(), all[0].text.as_str()), (HISTORY, "5"));
    assert!(all.is_sorted_by(|a: &Line, b: &Line| a.at < b.at), "no two lines have the same moment");
    assert_eq!(rooms.history(&ann, "lobby", 2).await.unwrap(), all[HISTORY - 2..]);
    assert_eq!(rooms.history(&ann, "lobby", 0).await.unwrap(), []);

    rooms.leave(&ann, "lobby").await.unwrap();
    rooms.join(&ann, "lobby").await.unwrap();
    assert_eq!(
        rooms.history(&ann, "lobby", 1).await.unwrap()[0].text,
        (HISTORY + 4).to_string(),
        "an empty room is kept"
    );
}

#[tokio::test]
async fn history_is_limited_in_bytes_too() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    rooms.join(&ann, "lobby").await.unwrap();
    let long = "👋".repeat(TEXT_LENGTH);
    for _ in 0..3 * HISTORY_BYTES / long.len() {
        rooms.say(&ann, "lobby", &long).await.unwrap();
    }
    let kept = rooms.history(&ann, "lobby", u32::MAX).await.unwrap();
    let bytes = kept.iter().map(|line| line.text.len()).sum::<usize>();
    assert!((HISTORY_BYTES - 2 * long.len()..=HISTORY_BYTES).contains(&bytes), "{bytes}");
    for number in 0..HISTORY {
        rooms.say(&ann, "lobby", &number.to_string()).await.unwrap();
    }
    let kept = rooms.history(&ann, "lobby", u32::MAX).await.unwrap();
    assert_eq!((kept.len(), kept[0].text.as_str()), (HISTORY, "0"));
}

#[tokio::test]
async fn what_is_told_reaches_one() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let (ann, bob) = (enter(&*rooms, "Ann").await, enter(&*rooms, "Bob").await);
    let (to, line) = rooms.tell(&ann, "bob", "psst \"ä\" </>").await.unwrap();
    assert_eq!((to, line.from.as_str(), line.text.as_str()), (bob, "Ann", "psst \"ä\" </>"));
    assert!(rooms.tell(&ann, "Bob", "and").await.unwrap().1.at > line.at);
    assert_eq!(refusal(rooms.tell(&ann, "ANN", "x").await), "That is you.");
    assert_eq!(refusal(rooms.tell(&ann, "Zoe", "x").await), "Nobody here is called Zoe.");
}

#[tokio::test]
async fn there_are_so_many_rooms_and_places() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    for number in 0..ROOMS_EACH {
        rooms.join(&ann, &format!("r{number}")).await.unwrap();
    }
    assert!(refusal(rooms.join(&ann, "more").await).starts_with("You are in 20 rooms"));
    rooms.join(&ann, "r0").await.unwrap();
    for number in 1..MEMBERS {
        rooms.join(&enter(&*rooms, &format!("n{number}")).await, "r0").await.unwrap();
    }
    let late = enter(&*rooms, "late").await;
    assert_eq!(refusal(rooms.join(&late, "r0").await), "The room r0 is full: 200 people are there.");
}

#[tokio::test]
async fn where_all_rooms_are_in_use_there_is_no_new_one() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    for person in 0..ROOMS / ROOMS_EACH {
        let id = enter(&*rooms, &format!("n{person}")).await;
        for number in 0..ROOMS_EACH {
            rooms.join(&id, &format!("r{person}-{number}")).await.unwrap();
        }
    }
    let late = enter(&*rooms, "late").await;
    let said = refusal(rooms.join(&late, "new").await);
    assert_eq!(said, "There are 1000 rooms, and more are not allowed: join one of them.");
    rooms.join(&late, "r7-7").await.unwrap();
}

#[tokio::test]
async fn a_new_room_takes_the_place_of_the_quietest_empty_one() {
    let Some((rooms, _guard)) = new_rooms().await else { return };
    let ann = enter(&*rooms, "Ann").await;
    for number in 0..ROOMS {
        let room = format!("r{number}");
        rooms.join(&ann, &room).await.unwrap();
        rooms.say(&ann, &room, "hi").await.unwrap();
        rooms.leave(&ann, &room).await.unwrap();
    }
    rooms.join(&ann, "new").await.unwrap();
    rooms.join(&ann, "r1").await.unwrap();
    assert_eq!(rooms.history(&ann, "r1", 1).await.unwrap().len(), 1);
    rooms.join(&ann, "r0").await.unwrap();
    assert_eq!(rooms.history(&ann, "r0", 1).await.unwrap(), [], "it was the quietest");
    assert_eq!(rooms.list(&ann).await.unwrap().len(), 3, "only those with somebody in them are listed");
}
