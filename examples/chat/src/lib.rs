//! A chat service: rooms, nicknames, private messages, who is online, who is typing, history.
//!
//! In reading order:
//! - [`chat_contract`]: what the hub and its clients may ask of each other, a crate of its own;
//! - `hub.rs`: the hub, one value per call;
//! - [`Rooms`]: what outlives a call, behind one lock;
//! - `rules.rs`: what users may type;
//! - `page.rs` and `web/`: the page, which talks to the hub through the official JavaScript client.

mod hub;
mod page;
mod rooms;
mod rules;

use axum::Router;
use hub_server::{HubHandle, HubRoute};

pub use self::hub::Chat;
pub use self::rooms::{Departure, Entered, Rooms};
pub use self::rules::{HISTORY, MEMBERS, NAME_LENGTH, ROOMS, ROOMS_EACH, TEXT_LENGTH};

/// The whole application, with rooms of its own: the hub at `/chat`, the page at `/`.
pub fn app() -> (Router, HubHandle<Chat>) {
    let rooms = Rooms::default();
    let (hub, handle) = HubRoute::new(move |cx| Chat::new(cx, rooms.clone())).build();
    (page::router().nest("/chat", hub), handle)
}
