//! Two nodes of a hub with their clients, while Redis or the way to it is broken: what docs/scale-out.md promises.
//!
//! Every wait is for an event, with a deadline that is there for failures only.

mod emitters;
mod links;
mod listener;
mod order;
mod outages;
mod questions;
mod station;
mod tokens;
