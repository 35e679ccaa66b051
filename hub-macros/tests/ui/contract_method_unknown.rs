use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn typing(&self, room: &str);
}

struct Server;

#[hub(crate = "hub_core")]
impl Chat for Server {
    async fn typing(&self, _: &str) {}
    async fn say(&self, _: &str) {}
}

fn main() {}
