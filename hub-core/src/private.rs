//! What generated code may name. Not part of the public interface.

pub use std::borrow::Borrow;
pub use std::boxed::Box;
pub use std::future::Future;
pub use std::marker::{Send, Sync};
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::{self, Err, Ok};
pub use std::sync::Arc;

pub use futures_core::Stream;

pub use crate::args::{ArgsError, Lend};
pub use crate::caller::Caller;
pub use crate::contract::{Answers, Items, Proxy, Remote, Streams, Unbound, Upload};
pub use crate::dispatch::{Call, Callbacks, Dispatch, Kind, Method, Policy, Started, answer, pump};
pub use crate::error::{CallError, HubError};
