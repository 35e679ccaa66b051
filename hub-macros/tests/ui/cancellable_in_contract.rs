use hub_core::contract;

#[contract]
trait Chat {
    #[cancellable]
    async fn clear(&self);
}

fn main() {}
