//! Programs under the three attributes that are not only compiled, but called as a server or a client calls them.

// The attributes name the crate that re-exports them. Here it is this one for all.
extern crate hub_core as hub_client;
extern crate hub_core as hub_server;

mod attributes;
mod generics;
mod names;
mod parameters;
mod policies;
mod proxies;
mod shapes;
mod support;
