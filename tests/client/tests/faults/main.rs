//! The client against servers that misbehave, each a few lines of the test itself.

mod lost;
mod negotiation;
mod proxies;
mod reconnecting;
mod wire;
