use hub_core::Result;
use hub_macros::hub;

struct Own;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn say(&self) -> Result<u64, Own> {
        Err(Own)
    }
}

fn main() {}
