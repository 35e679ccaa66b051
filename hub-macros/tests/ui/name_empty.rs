use hub_core::contract;

#[contract]
trait Chat {
    #[method(name = "")]
    async fn say(&self);

    async fn __(&self);
}

fn main() {}
