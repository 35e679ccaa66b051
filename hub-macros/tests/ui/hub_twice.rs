use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn say(&self) {}
}

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn tell(&self) {}
}

fn main() {}
