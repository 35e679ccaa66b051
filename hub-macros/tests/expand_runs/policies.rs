//! `#[authorize]`, on a method and on the hub.

use hub_core::{Caller, Dispatch, Identity, contract};
use hub_macros::hub;

use crate::support::method;

#[contract]
trait Guarded {
    async fn open(&self);
    async fn one(&self);
    async fn several(&self);
}

struct Door;

fn known(caller: &Caller<'_>) -> bool {
    caller.user_id().is_some()
}

mod roles {
    pub(crate) fn has<const ROLE: char>(caller: &hub_core::Caller) -> bool {
        caller.has_role(&ROLE.to_string())
    }
}

impl Door {
    fn never(_: &Caller) -> bool {
        false
    }
}

#[hub]
impl Guarded for Door {
    async fn open(&self) {}

    #[authorize(known)]
    async fn one(&self) {}

    #[authorize(known, roles::has::<'a'>)]
    #[authorize(Self::never)]
    async fn several(&self) {}
}

struct Gate;

#[hub(authorize(known, roles::has::<'g'>))]
impl Gate {
    #[method]
    async fn open(&self) {}

    #[method]
    #[authorize(Door::never)]
    async fn one(&self) {}
}

/// What each policy of a method says.
fn verdicts<H: Dispatch>(name: &str, identity: &Identity) -> Vec<bool> {
    let caller = Caller { connection_id: "c", identity };
    method(H::METHODS, name).policies.iter().map(|policy| policy(&caller)).collect()
}

#[test]
fn policies_come_in_the_order_in_which_they_are_written() {
    let ann = Identity::user("ann").with_role("a");
    assert!(verdicts::<Door>("open", &ann).is_empty());
    assert_eq!(verdicts::<Door>("one", &ann), [true]);
    assert_eq!(verdicts::<Door>("several", &ann), [true, true, false]);
    assert_eq!(verdicts::<Door>("several", &Identity::anonymous()), [false, false, false]);
}

#[test]
fn policies_of_the_hub_come_first() {
    let guard = Identity::anonymous().with_role("g");
    assert_eq!(verdicts::<Gate>("open", &guard), [false, true]);
    assert_eq!(verdicts::<Gate>("one", &guard), [false, true, false]);
}
