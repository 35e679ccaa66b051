//! The client against servers that misbehave, most of them a few lines of the test itself.

mod cuts;
mod deadlines;
mod load;
mod lost;
mod negotiation;
mod order;
mod proxies;
mod reconnecting;
mod restarted;
mod wire;
