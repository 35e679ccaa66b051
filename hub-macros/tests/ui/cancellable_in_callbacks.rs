use hub_macros::callbacks;

struct Terminal;

#[callbacks(crate = "hub_core")]
impl Terminal {
    #[method]
    #[cancellable]
    async fn said(&self) {}
}

fn main() {}
