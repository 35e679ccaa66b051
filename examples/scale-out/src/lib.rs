//! The chat of `examples/chat` on several nodes: what they share is in Redis, and people of all of them meet.
//!
//! In reading order:
//! - `main.rs`: one node, which is the chat with other rooms and a backplane;
//! - `rooms.lua`: what happens to the rooms, at once and alone, as under the lock of the rooms in memory;
//! - `rooms.rs`: the trait `chat::Rooms` by that script; `script.rs` runs it;
//! - [`Node`]: what survives when a node dies, or Redis does. Everybody in Redis belongs to a lease, which their node
//!   renews. Who has lost the lease is removed by another node, and a node that has lost its own puts its people back;
//! - [`keep`]: what a node does all the time.

mod keeper;
mod node;
mod rooms;
mod script;

pub use self::keeper::keep;
pub use self::node::{Change, Node};
