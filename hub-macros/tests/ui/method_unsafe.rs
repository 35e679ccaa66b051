use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async unsafe fn say(&self) {}

    #[method]
    async extern "C" fn tell(&self) {}
}

fn main() {}
