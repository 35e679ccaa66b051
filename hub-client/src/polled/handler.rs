//! Handlers that work on the application's state.

use hub_core::{Args, ArgsError, HubError, Payload};
use serde::de::DeserializeOwned;

use crate::on::HandlerOutput;

/// What a handler answers with, if anything. The outer error: the arguments are not of its types.
pub(crate) type Handled = Result<Result<Option<Payload>, HubError>, ArgsError>;

/// A handler, whatever its arguments are.
pub(crate) type StateHandler<S> = Box<dyn FnMut(&mut S, &Args) -> Handled>;

/// A closure that takes `&mut S` and up to eight arguments, which are read from the call; or one of `&mut S` and
/// [`Args`], which gets the call's as they came, however many they are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle calls of a hub",
    label = "not a handler on `{S}`",
    note = "a handler is a closure such as `|state: &mut {S}, text: String, count: u32| {{ .. }}`, whose arguments \
            implement `serde::Deserialize`, and which returns `()` or a `Result`"
)]
pub trait PolledHandler<S, A>: 'static {
    /// Runs the handler.
    ///
    /// # Errors
    /// When the arguments are not of its types.
    #[doc(hidden)]
    fn run(&mut self, state: &mut S, arguments: &Args) -> Result<Result<Option<Payload>, HubError>, ArgsError>;
}

impl<S, H, O> PolledHandler<S, Args> for H
where
    H: FnMut(&mut S, Args) -> O + 'static,
    O: HandlerOutput,
{
    fn run(&mut self, state: &mut S, arguments: &Args) -> Handled {
        Ok(self(state, arguments.clone()).answer(arguments.codec()))
    }
}

macro_rules! handlers {
    ($(($($name:ident),*))*) => {$(
        impl<S, H, O, $($name),*> PolledHandler<S, ($($name,)*)> for H
        where
            H: FnMut(&mut S, $($name),*) -> O + 'static,
            O: HandlerOutput,
            $($name: DeserializeOwned,)*
        {
            #[allow(non_snake_case)]
            fn run(&mut self, state: &mut S, arguments: &Args) -> Handled {
                let ($($name,)*): ($($name,)*) = arguments.read()?;
                Ok(self(state, $($name),*).answer(arguments.codec()))
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
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, I)
}
