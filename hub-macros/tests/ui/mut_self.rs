use hub_core::contract;
use hub_macros::{callbacks, hub};

#[contract]
trait Chat {
    async fn say(&mut self);
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    async fn say(&mut self) {}
}

struct Client;

#[callbacks(crate = "hub_core")]
impl Client {
    #[method]
    async fn said(&mut self) {}
}

fn main() {}
