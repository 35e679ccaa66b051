use hub_macros::{callbacks, hub};

#[hub]
trait Chat {
    #[method(name = "Say")]
    fn say(&self);
}

#[callbacks]
trait Screen {
    fn said(&self);
}

fn main() {}
