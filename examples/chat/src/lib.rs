//! A chat service: rooms, nicknames, private messages, who is online, who is typing, history.
//!
//! In reading order:
//! - [`chat_contract`]: what the hub and its clients may ask of each other, a crate of its own;
//! - `hub.rs`: the hub, one value per call;
//! - [`Rooms`]: what outlives a call; [`RoomsInMemory`] keeps it behind one lock;
//! - [`rules`]: what users may type, and how much of everything there may be;
//! - `page.rs` and `web/`: the page, which talks to the hub through the official JavaScript client;
//! - [`program`]: what a program does to serve it all.

mod hub;
mod page;
pub mod program;
mod rooms;
pub mod rules;

use std::sync::Arc;

use axum::Router;
use hub_server::{HubHandle, HubRoute};

pub use self::hub::Chat;
pub use self::rooms::{Departure, Entered, Rooms, RoomsInMemory};

/// The whole application, with rooms of its own: the hub at `/chat`, the page at `/`.
pub fn app() -> (Router, HubHandle<Chat>) {
    app_of(route(Arc::new(RoomsInMemory::default())))
}

/// The hub with these rooms, to be given options or a backplane.
pub fn route(rooms: Arc<dyn Rooms>) -> HubRoute<Chat> {
    HubRoute::new(move |cx| Chat::new(cx, Arc::clone(&rooms)))
}

/// The whole application with this hub.
pub fn app_of(hub: HubRoute<Chat>) -> (Router, HubHandle<Chat>) {
    let (hub, handle) = hub.at("/chat").build();
    (page::router().merge(hub), handle)
}
