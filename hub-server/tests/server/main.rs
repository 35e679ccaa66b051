//! A server in this process, and raw WebSocket clients: what an official client does not show.
//!
//! Every wait is for an event, with a deadline that is there for failures only. Numbers such as P-INV-11 are rules of
//! the wire.

mod bounds;
mod calls;
mod cancellations;
mod client_results;
mod context;
mod disconnects;
mod handle;
mod hooks;
mod hostile;
mod identity;
mod limits;
mod log;
mod mounting;
mod nodes;
mod origins;
mod requests;
mod shutdown;
mod slow_readers;
mod streams;
mod support;
mod uploads;
mod web_sockets;
