use hub_macros::hub;

struct Chat;

#[hub(crate = "hub_core", rename_all)]
impl Chat {}

struct Guarded;

#[hub(crate = "hub_core", authorize)]
impl Guarded {}

fn main() {}
