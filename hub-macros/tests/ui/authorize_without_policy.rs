use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core", authorize())]
impl Chat {
    #[method]
    #[authorize]
    async fn say(&self) {}

    #[method]
    #[authorize()]
    async fn tell(&self) {}
}

fn main() {}
