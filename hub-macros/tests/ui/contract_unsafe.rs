use hub_core::contract;

#[contract]
unsafe trait Chat {
    async fn say(&self);
}

fn main() {}
