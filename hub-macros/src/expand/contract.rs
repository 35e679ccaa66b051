//! `#[contract]`: the trait that both sides share.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Attribute, FnArg, ItemTrait, LitStr, ReturnType, Signature, TraitItem, TraitItemFn, Type, TypeParamBound,
    parse_quote,
};

use crate::attrs::{Macro, MethodAttrs, Options};
use crate::check::{self, Errors};
use crate::expand::proxy::{self, Proxy};
use crate::expand::{Private, conditions, fallback, wire_const};
use crate::model::Method;

/// Expands `#[contract]`. A method that breaks a rule stays in the trait and is missing in the proxy.
pub(crate) fn contract(options: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(Macro::Contract, options, &mut errors);
    let Ok(mut item) = syn::parse2::<ItemTrait>(tokens.clone()) else {
        return fallback::misplaced(Macro::Contract, tokens, errors);
    };
    let private = Private(options.private());
    let entries = read(&mut item, &options, &mut errors);
    let proxy = Proxy { private: &private, item: &item }.expand(&entries);
    let contract = rewrite(item, &entries, &private);
    let errors = errors.into_tokens();
    quote!(#contract #proxy #errors)
}

/// A method as the trait declares it.
pub(super) struct Entry {
    /// Nothing if it breaks a rule.
    pub(super) method: Option<Method>,
    pub(super) signature: Signature,
    pub(super) attrs: Vec<Attribute>,
    /// The name on the wire.
    pub(super) name: LitStr,
}

fn read(item: &mut ItemTrait, options: &Options, errors: &mut Errors) -> Vec<Entry> {
    if let Some(token) = &item.unsafety {
        errors.add(token, "a contract is not `unsafe`");
    }
    let generic = !item.generics.params.is_empty();
    if generic {
        errors.add(&item.generics.params, "a contract is not generic: both sides have to name the same types");
    }
    let mut entries = Vec::new();
    for item in &mut item.items {
        match item {
            TraitItem::Fn(function) => {
                let mut entry = read_method(function, options, errors);
                // Without the trait's parameters a proxy cannot say what its methods take.
                entry.method = entry.method.filter(|_| !generic);
                entries.push(entry);
            }
            other => errors.add(other, "a contract holds only methods"),
        }
    }
    let names = entries.iter().map(|entry| (&entry.name, !conditions(&entry.attrs).is_empty()));
    check::wire_names(names, Macro::Contract, errors);
    entries
}

fn read_method(function: &mut TraitItemFn, options: &Options, errors: &mut Errors) -> Entry {
    let before = errors.count();
    let attrs = MethodAttrs::take(&mut function.attrs, errors);
    if let Some(authorize) = &attrs.authorize {
        errors.add(authorize, "`#[authorize]` goes on the hub's impl: a contract does not say who may call");
    }
    if let Some(cancellable) = &attrs.cancellable {
        errors.add(cancellable, "`#[cancellable]` goes on the hub's impl: a contract does not say how a call may end");
    }
    if let Some(method) = attrs.method.as_ref().filter(|_| attrs.name.is_none() && errors.count() == before) {
        errors.add(method, "all methods of a contract are exposed: `#[method(name = \"..\")]` only names one");
    }
    if let Some(body) = &function.default {
        errors.add(body, "a contract holds only signatures");
    }
    let signature = &function.sig;
    if proxy::OWN_FUNCTIONS.iter().any(|own| signature.ident == own) {
        const TEXT: &str = "the proxy has a function of this name: take another and `#[method(name = \"..\")]`";
        errors.add(&signature.ident, TEXT);
    }
    check::signature(signature, Macro::Contract, errors);
    let name = options.wire_name(attrs.name, &signature.ident, errors);
    let method = errors.keep(Method::read(signature));
    if let Some(method) = &method {
        check::answer(&method.shape, errors);
    }
    Entry {
        method: method.filter(|_| errors.count() == before),
        signature: signature.clone(),
        attrs: function.attrs.clone(),
        name,
    }
}

/// ```text
/// pub trait ChatHub {
///     async fn say(&self, text: &str) -> Result<u64>;
///     fn history(&self) -> impl Stream<Item = Result<Line>>;
/// }
/// ```
/// becomes
/// ```text
/// pub trait ChatHub: Send + Sync + 'static {
///     fn say(&self, text: &str) -> impl Future<Output = Result<u64>> + Send;
///     fn history(&self) -> impl Stream<Item = Result<Line>> + Send;
///     const __wire_say: &'static str = "Say";
///     const __wire_history: &'static str = "History";
/// }
/// ```
fn rewrite(mut item: ItemTrait, entries: &[Entry], private: &Private) -> ItemTrait {
    // A program may use one side of a contract and never the other.
    item.attrs.push(parse_quote!(#[allow(dead_code)]));
    item.supertraits.push(parse_quote!(#private::Send));
    item.supertraits.push(parse_quote!(#private::Sync));
    item.supertraits.push(parse_quote!('static));
    for item in &mut item.items {
        match item {
            // A body, which is an error by now, fits only to the signature as it stands.
            TraitItem::Fn(function) if function.default.is_none() => {
                drop_patterns(&mut function.sig);
                rewrite_output(&mut function.sig, private);
            }
            _ => {}
        }
    }
    item.items.extend(entries.iter().map(|Entry { signature, attrs, name, .. }| {
        let constant = wire_const(&signature.ident, Span::call_site());
        let conditions = conditions(attrs);
        parse_quote! {
            #(#conditions)*
            #[doc(hidden)]
            const #constant: &'static str = #name;
        }
    }));
    item
}

fn rewrite_output(signature: &mut Signature, private: &Private) {
    if signature.asyncness.take().is_some() {
        let output: Type = match &signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        signature.output = parse_quote!(-> impl #private::Future<Output = #output> + #private::Send);
    } else if let ReturnType::Type(_, ty) = &mut signature.output
        && let Type::ImplTrait(stream) = &mut **ty
        && !stream.bounds.iter().any(is_send)
    {
        stream.bounds.push(parse_quote!(#private::Send));
    }
}

/// A pattern without a body is an error by now, and the compiler would only say so again.
fn drop_patterns(signature: &mut Signature) {
    for input in &mut signature.inputs {
        match input {
            FnArg::Typed(param) if !check::is_name(&param.pat) => *param.pat = parse_quote!(_),
            _ => {}
        }
    }
}

fn is_send(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Send"),
        _ => false,
    }
}
