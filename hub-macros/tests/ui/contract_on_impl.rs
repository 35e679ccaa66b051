use hub_core::contract;

trait Chat {
    fn say(&self);
}

struct Server;

#[contract]
impl Chat for Server {
    #[method(name = "Say")]
    #[authorize(moderator)]
    fn say(&self) {}
}

fn main() {}
