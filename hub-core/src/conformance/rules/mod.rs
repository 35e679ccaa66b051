//! The rules, one function each: it is done when the cluster keeps the rule, and says how if it breaks it.

mod deliveries;
mod hubs;
mod link;
mod order;
mod secret;
mod subscriptions;
mod topics;

pub use self::deliveries::*;
pub use self::hubs::*;
pub use self::link::*;
pub use self::order::*;
pub use self::secret::*;
pub use self::subscriptions::*;
pub use self::topics::*;
