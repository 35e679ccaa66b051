//! The proxy of a contract: its methods, called on a remote.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ItemTrait, LitStr, Pat, Signature, parse_quote};

use crate::expand::contract::Entry;
use crate::expand::{Private, at, silenced};
use crate::model::{Method, Shape};

/// What a proxy has beside the contract's methods.
pub(super) const OWN_FUNCTIONS: [&str; 2] = ["new", "remote"];

/// What a remote has to be to be called, from the most to the least of them.
const REMOTES: [&str; 3] = ["Remote", "Answers", "Streams"];

pub(super) struct Proxy<'a> {
    pub(super) private: &'a Private,
    /// The contract, as the user wrote it.
    pub(super) item: &'a ItemTrait,
}

impl Proxy<'_> {
    /// ```text
    /// pub trait ChatHub { .. }
    /// ```
    /// gets
    /// ```text
    /// pub struct ChatHubProxy<R = Unbound> { remote: R }
    /// impl<R> ChatHubProxy<R> { new, remote }
    /// impl<R: Remote> ChatHubProxy<R> { notices }
    /// impl<R: Answers> ChatHubProxy<R> { calls }
    /// impl<R: Streams> ChatHubProxy<R> { streams, in either direction }
    /// impl Proxy for ChatHubProxy { .. }
    /// ```
    pub(super) fn expand(&self, entries: &[Entry]) -> TokenStream {
        let Self { private, item } = self;
        let (vis, contract) = (&item.vis, &item.ident);
        let proxy = format_ident!("{contract}Proxy");
        let about = format!("Calls the methods of [`{contract}`] on a remote.");
        let methods = REMOTES.map(|remote| self.methods(&proxy, remote, entries));
        let traits = self.traits(&proxy);
        quote! {
            #[doc = #about]
            #[allow(dead_code)]
            #vis struct #proxy<R = #private::Unbound> {
                remote: R,
            }

            #[allow(dead_code)]
            impl<R> #proxy<R> {
                /// The proxy that calls `remote`.
                #vis fn new(remote: R) -> Self {
                    Self { remote }
                }

                /// Whom the proxy calls.
                #vis fn remote(&self) -> &R {
                    &self.remote
                }
            }

            #(#methods)*
            #traits
        }
    }

    /// The methods that need this of a remote.
    fn methods(&self, proxy: &Ident, remote: &str, entries: &[Entry]) -> TokenStream {
        let methods = entries.iter().filter_map(|entry| {
            let method = entry.method.as_ref().filter(|method| needed(method) == remote)?;
            Some(self.method(entry, method))
        });
        let private = self.private;
        let bound = Ident::new(remote, Span::call_site());
        // Types of the contract are named here: its own `R` is another one.
        let taken = mentions(self.item.to_token_stream(), "R");
        let remote = Ident::new(if taken { "__R" } else { "R" }, Span::call_site());
        let silenced = silenced(&self.item.attrs);
        quote! {
            #[allow(dead_code)]
            #silenced
            impl<#remote: #private::#bound> #proxy<#remote> {
                #(#methods)*
            }
        }
    }

    /// ```text
    /// /// Says it.
    /// async fn say(&self, text: &str) -> Result<u64>;
    /// ```
    /// becomes
    /// ```text
    /// /// Says it.
    /// pub async fn say(&self, text: &str) -> Result<u64, CallError> {
    ///     Answers::invoke(&self.remote, "Say", (text,)).await
    /// }
    /// ```
    fn method(&self, Entry { signature, attrs, name, .. }: &Entry, method: &Method) -> TokenStream {
        let private = self.private;
        let vis = &self.item.vis;
        let call = self.call(signature, name, method);
        let mut signature = signature.clone();
        signature.output = match &method.shape {
            Shape::Notice => parse_quote!(-> #private::Result<(), #private::CallError>),
            Shape::Call { value, .. } => parse_quote!(-> #private::Result<#value, #private::CallError>),
            Shape::Stream(item) => parse_quote!(-> #private::Items<#item>),
        };
        let documented = attrs.iter().any(|attr| attr.path().is_ident("doc"));
        let about = (!documented).then(|| {
            let about = format!("Calls `{}`.", name.value());
            quote!(#[doc = #about])
        });
        let silenced = silenced(attrs);
        let attrs = attrs.iter().filter(|attr| is_carried(attr));
        quote! {
            #about
            #(#attrs)*
            #silenced
            #vis #signature { #call }
        }
    }

    /// `Answers::invoke(&self.remote, "Say", (text,)).await`. Where it does not compile, the answer or an argument is
    /// of a type that cannot travel, and that is where the error points.
    fn call(&self, signature: &Signature, name: &LitStr, method: &Method) -> TokenStream {
        let (remote, function, span) = match &method.shape {
            Shape::Notice => ("Remote", "send", method.ident.span()),
            Shape::Call { value, .. } => ("Answers", "invoke", value.span()),
            Shape::Stream(item) => ("Streams", "stream", item.span()),
        };
        let span = at(span);
        let (remote, function) = (Ident::new(remote, span), Ident::new(function, span));
        let private = self.private.at(span);
        let arguments = signature.inputs.iter().filter_map(argument);
        let arguments = quote_spanned!(span=> (#(#arguments,)*));
        let call = quote_spanned!(span=> #private::#remote::#function(&self.remote, #name, #arguments));
        match method.shape {
            Shape::Stream(_) => call,
            Shape::Notice | Shape::Call { .. } => quote_spanned!(span=> #call.await),
        }
    }

    fn traits(&self, proxy: &Ident) -> TokenStream {
        let private = self.private;
        let name = LitStr::new(&proxy.to_string(), Span::call_site());
        quote! {
            #[automatically_derived]
            impl #private::Proxy for #proxy {
                type Bound<R: #private::Remote> = #proxy<R>;

                fn bind<R: #private::Remote>(remote: R) -> #proxy<R> {
                    #proxy { remote }
                }
            }

            #[automatically_derived]
            impl<R: ::core::clone::Clone> ::core::clone::Clone for #proxy<R> {
                fn clone(&self) -> Self {
                    Self { remote: ::core::clone::Clone::clone(&self.remote) }
                }
            }

            #[automatically_derived]
            impl<R: ::core::fmt::Debug> ::core::fmt::Debug for #proxy<R> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#name).field("remote", &self.remote).finish()
                }
            }
        }
    }
}

/// Which of [`REMOTES`] can be called like this.
fn needed(method: &Method) -> &'static str {
    match method.shape {
        _ if method.uploads() > 0 => "Streams",
        Shape::Notice => "Remote",
        Shape::Call { .. } => "Answers",
        Shape::Stream(_) => "Streams",
    }
}

fn argument(input: &FnArg) -> Option<Ident> {
    match input {
        FnArg::Typed(param) => match &*param.pat {
            Pat::Ident(pattern) => {
                let mut name = pattern.ident.clone();
                name.set_span(at(name.span()));
                Some(name)
            }
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// What readers of the trait are told, readers of the proxy are told too.
fn is_carried(attr: &Attribute) -> bool {
    ["doc", "cfg", "cfg_attr", "deprecated"].iter().any(|name| attr.path().is_ident(name))
}
