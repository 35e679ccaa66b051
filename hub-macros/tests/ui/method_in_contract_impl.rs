use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(&self);
}

struct Server;

#[hub(crate = "hub_core")]
impl Chat for Server {
    #[method(name = "Shout")]
    async fn say(&self) {}
}

fn main() {}
