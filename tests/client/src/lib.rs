//! What the tests of the client share: the servers they run against, and the contract of the conformance hub.

mod contract;
mod fake;
mod proxy;
mod server;

pub use self::contract::{
    ConformanceClient, ConformanceClientProxy, ConformanceHub, ConformanceHubProxy, Identity, Sample,
};
pub use self::fake::{Fake, Socket};
pub use self::proxy::Proxy;
pub use self::server::{Server, deadline};
