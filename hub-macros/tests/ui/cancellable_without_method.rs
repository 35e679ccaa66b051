use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn say(&self) {}

    #[cancellable]
    async fn clear(&self) {}
}

fn main() {}
