use std::sync::Arc;

use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn say(self) {}

    #[method]
    async fn tell(self: Arc<Self>) {}
}

fn main() {}
