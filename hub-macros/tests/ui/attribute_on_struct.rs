use hub_core::contract;
use hub_macros::{callbacks, hub};

#[contract]
struct Chat;

#[hub]
struct Server;

#[callbacks]
struct Client;

fn main() {}
