use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core", authorize = |_| true)]
impl Chat {
    #[method]
    #[authorize("moderator")]
    async fn say(&self) {}

    #[method]
    #[authorize(role("moderator"))]
    async fn tell(&self) {}

    #[method]
    #[authorize(moderator admin)]
    async fn clear(&self) {}
}

fn main() {}
