use hub_core::contract;

#[contract]
trait Chat {
    #[method(name = say)]
    async fn say(&self);
}

fn main() {}
