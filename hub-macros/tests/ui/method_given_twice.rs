use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[method(name = "Say")]
    async fn say(&self) {}
}

fn main() {}
