//! The attributes of hub contracts.

mod attrs;
mod check;
mod expand;
mod model;
mod names;

use proc_macro::TokenStream;

use attrs::Macro;

/// Makes a trait a contract.
#[proc_macro_attribute]
pub fn contract(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::contract(options.into(), item.into()).into()
}

/// Exposes the methods of an impl to clients.
#[proc_macro_attribute]
pub fn hub(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::dispatch(Macro::Hub, options.into(), item.into()).into()
}

/// Exposes the methods of an impl to the hub.
#[proc_macro_attribute]
pub fn callbacks(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::dispatch(Macro::Callbacks, options.into(), item.into()).into()
}
