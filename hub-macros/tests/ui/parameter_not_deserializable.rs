use hub_macros::hub;

struct Owned;
struct Lent;
struct Listed;

struct Chat;

#[hub(crate = "hub_core")]
impl Chat {
    #[method]
    async fn owned(&self, _: &str, _: Owned) {}

    #[method]
    async fn lent(&self, _: Vec<u8>, _: &Lent) {}

    #[method]
    async fn listed(&self, _: u32, _: &[Listed]) {}
}

fn main() {}
