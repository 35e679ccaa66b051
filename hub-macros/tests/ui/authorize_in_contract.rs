use hub_core::contract;

#[contract]
trait Chat {
    #[authorize(moderator)]
    async fn clear(&self);
}

fn main() {}
