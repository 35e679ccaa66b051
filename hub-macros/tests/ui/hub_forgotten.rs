use hub_core::{Callbacks, Dispatch};

/// What a server asks of a hub.
trait Hub: Dispatch {}

/// What a client asks of callbacks.
fn listen<C: Callbacks>(_: C) {}

struct Chat;

impl Hub for Chat {}

struct Terminal;

fn main() {
    listen(Terminal);
}
