use hub_core::contract;
use hub_macros::{callbacks, hub};

#[contract]
trait Chat {
    async fn say_hello(&self);
    #[method(name = "sayhello")]
    async fn greet(&self);
}

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    #[method]
    async fn say(&self) {}

    #[method]
    #[allow(non_snake_case)]
    async fn Say(&self) {}
}

struct Client;

#[callbacks(crate = "hub_core")]
impl Client {
    #[method(name = "said")]
    async fn on_said(&self) {}

    #[method]
    async fn said(&self) {}
}

fn main() {}
