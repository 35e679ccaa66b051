use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(&self);
}

struct Server;

#[hub(crate = "hub_core", rename_all = "camelCase")]
impl Chat for Server {
    async fn say(&self) {}
}

fn main() {}
