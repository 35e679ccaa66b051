use hub_core::Caller;
use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    #[authorize(moderator)]
    async fn clear(&self) {}

    #[method]
    #[authorize(admin)]
    async fn close(&self) {}
}

fn moderator(role: u32) -> bool {
    role > 3
}

async fn admin(caller: &Caller<'_>) -> bool {
    caller.has_role("admin")
}

fn main() {}
