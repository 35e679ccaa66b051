//! From an item and its attribute to what is generated: read, check, expand, or fall back.

mod contract;
mod dispatch;
mod fallback;
mod proxy;
mod start;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, Meta};

pub(crate) use contract::contract;
pub(crate) use dispatch::dispatch;

/// The module of everything that generated code names: `::hub_core::__private`.
struct Private(TokenStream);

impl Private {
    /// Its path for an expression whose errors are reported at `span`.
    fn at(&self, span: Span) -> TokenStream {
        let moved = self.0.clone().into_iter().map(|mut token| {
            token.set_span(at(span));
            token
        });
        moved.collect()
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.clone());
    }
}

/// The span of generated tokens whose errors are reported at `span`: still those of a macro, so that lints are silent.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Where tokens begin and end. An expression that begins and ends there is underlined from one to the other.
fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let begin = spans.next().unwrap_or_else(Span::call_site);
    (at(begin), at(spans.last().unwrap_or(begin)))
}

/// The associated constant of a contract that holds a method's name on the wire: `__wire_say`.
///
/// It ends in the method's own name, so two of them differ as the methods do.
fn wire_const(method: &Ident, span: Span) -> Ident {
    format_ident!("__wire_{}", method.unraw(), span = span)
}

/// The conditions under which a method exists: what is generated for it exists under the same.
fn conditions(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// The lints that are silenced where the user wrote a type: they are silent where it is repeated.
fn silenced(attrs: &[Attribute]) -> TokenStream {
    let lists = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => Some(&list.tokens),
        _ => None,
    });
    quote!(#(#[allow(#lists)])*)
}
