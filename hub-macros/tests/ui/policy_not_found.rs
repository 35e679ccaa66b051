use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[authorize(moderator)]
    async fn clear(&self) {}
}

fn main() {}
