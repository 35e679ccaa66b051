use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[cancellable(true)]
    async fn say(&self) {}
}

fn main() {}
