//! The untyped handlers: a closure for a name.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use hub_core::{Args, ArgsError, HubError, dispatch};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handlers::{Handlers, Run, Running};

/// A closure of up to eight arguments, which are read from the call, that returns a future; or one of [`Args`], which
/// gets the call's as they came, however many they are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle calls of a hub",
    label = "not a handler",
    note = "a handler is a closure such as `|text: String, count: u32| async move {{ .. }}`, whose arguments implement \
            `serde::Deserialize`, and whose future gives `()` or a `Result`"
)]
pub trait Handler<A>: Send + Sync + Sized + 'static {
    /// Starts the handler.
    ///
    /// # Errors
    /// When the arguments are not of its types.
    #[doc(hidden)]
    fn run(&self, arguments: &Args) -> Result<Running, ArgsError>;
}

/// What the future of a handler gives: `()` for a notice, a `Result` for an answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler returns",
    label = "neither `()` nor a `Result`",
    note = "a handler of a notice returns `()`, one that answers a `Result<T, HubError>`"
)]
pub trait HandlerOutput: Send {
    /// The answer, if it is one.
    ///
    /// # Errors
    /// The error of the handler, or that its value cannot be encoded.
    #[doc(hidden)]
    fn answer(self, codec: hub_core::Codec) -> Result<Option<hub_core::Payload>, HubError>;
}

impl HandlerOutput for () {
    fn answer(self, _: hub_core::Codec) -> Result<Option<hub_core::Payload>, HubError> {
        Ok(None)
    }
}

impl<T: Serialize + Send, E: Into<HubError> + Send> HandlerOutput for Result<T, E> {
    fn answer(self, codec: hub_core::Codec) -> Result<Option<hub_core::Payload>, HubError> {
        dispatch::answer(codec, &self.map_err(Into::into)?).map(Some)
    }
}

impl<H, F> Handler<Args> for H
where
    H: Fn(Args) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
    F::Output: HandlerOutput,
{
    fn run(&self, arguments: &Args) -> Result<Running, ArgsError> {
        let codec = arguments.codec();
        let running = self(arguments.clone());
        Ok(Box::pin(async move { running.await.answer(codec) }))
    }
}

macro_rules! handlers {
    ($(($($name:ident),*))*) => {$(
        impl<H, F, $($name),*> Handler<($($name,)*)> for H
        where
            H: Fn($($name),*) -> F + Send + Sync + 'static,
            F: Future + Send + 'static,
            F::Output: HandlerOutput,
            $($name: DeserializeOwned + Send,)*
        {
            #[allow(non_snake_case)]
            fn run(&self, arguments: &Args) -> Result<Running, ArgsError> {
                let ($($name,)*): ($($name,)*) = arguments.read()?;
                let codec = arguments.codec();
                let running = self($($name),*);
                Ok(Box::pin(async move { running.await.answer(codec) }))
            }
        }
    )*};
}

handlers! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, G)
    (A, B, C, D, E, G, I)
    (A, B, C, D, E, G, I, J)
}

/// Registers a handler.
pub(crate) fn register<A>(handlers: &Arc<Handlers>, name: &str, handler: impl Handler<A>) -> Registered {
    let run: Run = Arc::new(move |arguments| handler.run(&arguments));
    let number = handlers.add(name, run);
    Registered { handlers: Arc::downgrade(handlers), name: name.to_owned(), number }
}

/// A handler that is registered, for as long as this is not dropped.
#[must_use = "the handler is unregistered when this is dropped; `keep` it for the life of the connection"]
pub struct Registered {
    handlers: Weak<Handlers>,
    name: String,
    number: u64,
}

impl Registered {
    /// Leaves the handler registered for as long as the connection lives.
    pub fn keep(mut self) {
        self.handlers = Weak::new();
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(handlers) = self.handlers.upgrade() {
            handlers.remove(&self.name, self.number);
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("name", &self.name).finish_non_exhaustive()
    }
}
