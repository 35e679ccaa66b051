use hub_core::{Result, contract};
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(&self, text: &str) -> Result<u64>;
    async fn typing(&self, room: &str);
}

struct Server;

#[hub(crate = "hub_core")]
impl Chat for Server {
    async fn typing(&self, _: &str) {}
}

fn main() {}
