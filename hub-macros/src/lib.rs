//! The attributes of hub contracts.
//!
//! They are re-exported by the crate that each belongs to, and expand to paths into that crate:
//!
//! | attribute | stands on | re-exported by |
//! |---|---|---|
//! | [`#[contract]`](macro@contract) | a trait: what one side may ask of the other | `hub-core` |
//! | [`#[hub]`](macro@hub) | an impl: what clients may call on the server | `hub-server` |
//! | [`#[callbacks]`](macro@callbacks) | an impl: what the hub may call on a client | `hub-client` |
//!
//! A crate that re-exports them in its turn gives its own path: `#[hub(crate = "mine::hub_server")]`.
//!
//! # Methods
//!
//! The shape of a method decides what it is:
//!
//! | signature | kind |
//! |---|---|
//! | `async fn said(&self, text: &str);` | a notice: nobody waits for an answer |
//! | `async fn say(&self, text: &str) -> Result<u64>;` | a call, which is answered or fails |
//! | `fn history(&self) -> impl Stream<Item = Result<Line>>;` | a stream of answers |
//! | any of them with parameters of type `Upload<T>` | takes streams from the caller |
//!
//! A parameter `&T`, `&str` or `&[T]` is decoded into an owned value, which the method borrows. There are at most 16
//! parameters; they travel by position, so adding one is a breaking change, and a struct is the way around it.
//!
//! # Names
//!
//! `say_hello` is `SayHello` on the wire. `#[method(name = "..")]` names one method, `rename_all = "camelCase"` (or
//! `"snake_case"`) all of a contract or of an impl without one. Two names that differ only in case are an error.
//!
//! # Layout
//!
//! For those who read the code: `attrs` reads attributes, `model` signatures; `names` makes names on the wire; `check`
//! holds the rules; `expand` writes what is generated, each step with its input and output above it. All mistakes are
//! reported at once, and `tests/ui` has a program for each.

mod attrs;
mod check;
mod expand;
mod model;
mod names;

use proc_macro::TokenStream;

use crate::attrs::Macro;

/// Makes a trait a contract: what one side may ask of the other, checked by the compiler on both.
///
/// ```
/// use hub_core::{Result, Stream, Upload};
/// use hub_macros::contract;
///
/// /// What a client may ask of the hub.
/// #[contract]
/// pub trait ChatHub {
///     async fn say(&self, room: &str, text: &str) -> Result<u64>;
///     fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<String>>;
///     async fn import(&self, room: &str, lines: Upload<String>) -> Result<u64>;
/// }
///
/// /// What the hub may ask of a client.
/// #[contract(rename_all = "camelCase")]
/// pub trait ChatClient {
///     async fn said(&self, room: &str, text: &str);
///     #[method(name = "areYouSure")]
///     async fn confirm(&self, question: &str) -> Result<bool>;
/// }
///
/// # fn proxies<R: hub_core::Answers>(remote: R) {
/// let client = ChatClientProxy::new(remote);
/// let asked = client.confirm("Clear the room?"); // a future of `Result<bool, CallError>`
/// # drop(asked);
/// # }
/// ```
///
/// # Generated
///
/// - The trait as it stands, with `Send + Sync + 'static` above it and `Send` on what its methods return.
///   Implementations write plain `async fn`.
/// - `ChatHubProxy<R>`, with the same methods, `new` and `remote`. Notices return `Result<(), CallError>` and need a
///   `R: Remote`; calls return `Result<T, CallError>` and need a `R: Answers`; streams return `Items<T>`, and they and
///   all methods with an `Upload` need a `R: Streams`. So a group cannot be asked a question. Documentation, `cfg` and
///   `deprecated` are carried over.
/// - `ChatHubProxy` without a remote, which implements `Proxy`: what a hub names as its clients.
///
/// # Options
///
/// `rename_all = ".."` and `crate = ".."`; on methods `#[method(name = "..")]`.
#[proc_macro_attribute]
pub fn contract(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::contract(options.into(), item.into()).into()
}

/// Exposes the methods of an impl to clients: all methods of a contract, or what is marked `#[method]` on an impl
/// without one.
///
/// ```
/// use hub_core::{Caller, Dispatch, Result, contract};
/// use hub_macros::hub;
///
/// #[contract]
/// trait ChatHub {
///     async fn say(&self, room: &str, text: &str) -> Result<u64>;
///     async fn clear(&self, room: &str) -> Result<()>;
/// }
///
/// struct Chat;
///
/// #[hub(crate = "hub_core")] // in an application: `#[hub]`, from `hub_server`
/// impl ChatHub for Chat {
///     async fn say(&self, room: &str, text: &str) -> Result<u64> {
///         Ok((room.len() + text.len()) as u64)
///     }
///
///     #[authorize(moderator)]
///     async fn clear(&self, room: &str) -> Result<()> {
///         Ok(())
///     }
/// }
///
/// fn moderator(caller: &Caller) -> bool {
///     caller.has_role("moderator")
/// }
///
/// assert_eq!(Chat::METHODS[0].name, "Say");
/// assert_eq!(Chat::METHODS[1].policies.len(), 1);
/// ```
///
/// For clients that are not written in Rust, a contract is not needed:
///
/// ```
/// use hub_core::{Dispatch, Result};
/// use hub_macros::hub;
///
/// struct Calculator;
///
/// #[hub(crate = "hub_core")]
/// impl Calculator {
///     #[method]
///     async fn add(&self, left: u32, right: u32) -> Result<u32> {
///         Ok(self.sum(&[left, right]))
///     }
///
///     // Not marked, and so not exposed.
///     fn sum(&self, numbers: &[u32]) -> u32 {
///         numbers.iter().sum()
///     }
/// }
///
/// assert_eq!(Calculator::METHODS.len(), 1);
/// ```
///
/// # Generated
///
/// The impl as it stands, and an impl of `Dispatch` that lists its methods. There is one `#[hub]` for each type.
///
/// # Options
///
/// - `authorize = policy` or `authorize(policy, another)`: policies of all methods. A policy is a
///   `fn(&Caller) -> bool`; all policies of a method must agree before it runs.
/// - `rename_all = ".."`, where there is no contract, and `crate = ".."`.
/// - On methods: `#[authorize(policy, another)]` adds policies, `#[method]` or `#[method(name = "..")]` exposes a method
///   where there is no contract, and `#[cancellable]` lets a call be dropped where it waits, when its caller cancels it
///   or has gone: without it a method runs to its end. Streams are dropped in any case.
#[proc_macro_attribute]
pub fn hub(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::dispatch(Macro::Hub, options.into(), item.into()).into()
}

/// Exposes the methods of an impl to the hub: all methods of a contract, or what is marked `#[method]` on an impl
/// without one.
///
/// ```
/// use hub_core::{Callbacks, Result, contract};
/// use hub_macros::callbacks;
///
/// #[contract]
/// trait ChatClient {
///     async fn said(&self, room: &str, text: &str);
///     async fn confirm(&self, question: &str) -> Result<bool>;
/// }
///
/// struct Terminal;
///
/// #[callbacks(crate = "hub_core")] // in an application: `#[callbacks]`, from `hub_client`
/// impl ChatClient for Terminal {
///     async fn said(&self, room: &str, text: &str) {
///         println!("#{room} {text}");
///     }
///
///     async fn confirm(&self, question: &str) -> Result<bool> {
///         Ok(question.ends_with('?'))
///     }
/// }
///
/// assert_eq!(Terminal::METHODS.len(), 2);
/// ```
///
/// # Generated
///
/// The impl as it stands, and an impl of `Callbacks` that lists its methods. All calls share one value. A hub that waits
/// for the answer of a notice gets the error that there is none.
///
/// # Options
///
/// `rename_all = ".."`, where there is no contract, and `crate = ".."`; on methods, where there is no contract,
/// `#[method]` or `#[method(name = "..")]`.
#[proc_macro_attribute]
pub fn callbacks(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::dispatch(Macro::Callbacks, options.into(), item.into()).into()
}
