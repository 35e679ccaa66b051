//! What is emitted for an item that an attribute cannot stand on: the item as it is, and the reason.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{ImplItem, Item, TraitItem};

use crate::attrs::{Macro, MethodAttrs};
use crate::check::Errors;

pub(crate) fn misplaced(of: Macro, tokens: TokenStream, mut errors: Errors) -> TokenStream {
    let original = tokens.clone();
    let mut item = match syn::parse2(tokens) {
        Ok(item) => item,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#original #error);
        }
    };
    errors.add_at(Span::call_site(), reason(of, &item));
    strip(&mut item);
    let errors = errors.into_tokens();
    quote!(#item #errors)
}

fn reason(of: Macro, item: &Item) -> &'static str {
    match (of, item) {
        (Macro::Contract, Item::Impl(_)) => {
            "`#[contract]` goes on a trait; an impl of it takes `#[hub]` or `#[callbacks]`"
        }
        (Macro::Contract, _) => "`#[contract]` goes on a trait",
        (Macro::Hub, Item::Trait(_)) => "`#[hub]` goes on an impl; a trait takes `#[contract]`",
        (Macro::Hub, _) => "`#[hub]` goes on an impl",
        (Macro::Callbacks, Item::Trait(_)) => "`#[callbacks]` goes on an impl; a trait takes `#[contract]`",
        (Macro::Callbacks, _) => "`#[callbacks]` goes on an impl",
    }
}

/// Takes off the attributes that nobody else knows, so that nobody complains about them.
fn strip(item: &mut Item) {
    let ignored = &mut Errors::default();
    match item {
        Item::Impl(item) => item.items.iter_mut().for_each(|item| {
            if let ImplItem::Fn(function) = item {
                MethodAttrs::take(&mut function.attrs, ignored);
            }
        }),
        Item::Trait(item) => item.items.iter_mut().for_each(|item| {
            if let TraitItem::Fn(function) = item {
                MethodAttrs::take(&mut function.attrs, ignored);
            }
        }),
        _ => {}
    }
}
