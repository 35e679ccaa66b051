use hub_core::contract;

#[contract]
trait Chat {
    #[method]
    async fn say(&self);

    #[method()]
    async fn tell(&self);
}

fn main() {}
