use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[cfg_attr(true, authorize(moderator))]
    async fn clear(&self) {}
}

fn main() {}
