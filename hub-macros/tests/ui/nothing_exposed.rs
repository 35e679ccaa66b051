use hub_macros::{callbacks, hub};

struct Server;

#[hub(crate = "hub_core")]
impl Server {
    async fn say(&self) {}
}

struct Client;

#[callbacks(crate = "hub_core")]
impl Client {
    async fn said(&self) {}
}

fn main() {}
