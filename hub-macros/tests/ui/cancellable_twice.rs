use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[cancellable]
    #[cancellable]
    async fn say(&self) {}
}

fn main() {}
