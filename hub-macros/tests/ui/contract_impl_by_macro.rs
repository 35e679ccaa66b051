use hub_core::contract;
use hub_macros::hub;

#[contract]
trait Chat {
    async fn say(&self);
}

macro_rules! say {
    () => {
        async fn say(&self) {}
    };
}

struct Server;

#[hub(crate = "hub_core")]
impl Chat for Server {
    say!();
}

fn main() {}
