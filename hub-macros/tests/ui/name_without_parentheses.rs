use hub_core::contract;

#[contract]
trait Chat {
    #[method = "Say"]
    async fn say(&self);
}

fn main() {}
