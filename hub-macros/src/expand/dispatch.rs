//! `#[hub]` and `#[callbacks]`: the table of an impl's methods.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ExprPath, ImplItem, ImplItemFn, ItemImpl, LitStr, Path};

use crate::attrs::{Macro, MethodAttrs, Options};
use crate::check::{self, Errors};
use crate::expand::start::Start;
use crate::expand::{Private, conditions, fallback, silenced, wire_const};
use crate::model::{Method, Shape};

/// Expands `#[hub]` and `#[callbacks]`. Where something is wrong, the impl stays and its table is empty.
pub(crate) fn dispatch(of: Macro, options: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(of, options, &mut errors);
    let Ok(mut item) = syn::parse2::<ItemImpl>(tokens.clone()) else {
        return fallback::misplaced(of, tokens, errors);
    };
    let mut entries = Reader { of, options: &options, contract: item.trait_.is_some() }.read(&mut item, &mut errors);
    if errors.count() > 0 {
        entries.clear();
    }
    let contract = item.trait_.as_ref().map(|(path, _)| path);
    let table = Table { of, private: Private(options.private()), contract }.expand(&item, &entries);
    let errors = errors.into_tokens();
    quote!(#item #table #errors)
}

/// One method of the table.
struct Entry {
    method: Method,
    attrs: Vec<Attribute>,
    policies: Vec<ExprPath>,
    cancellable: bool,
    /// The name on the wire, unless a contract holds it.
    name: LitStr,
}

struct Reader<'a> {
    of: Macro,
    options: &'a Options,
    contract: bool,
}

impl Reader<'_> {
    /// Takes what is known of each exposed method, and the helper attributes off all methods.
    fn read(&self, item: &mut ItemImpl, errors: &mut Errors) -> Vec<Entry> {
        if let Some((_, span)) = self.options.casing.filter(|_| self.contract) {
            errors.add_at(span, "the contract decides names: put `rename_all` on its trait");
        }
        let mut entries = Vec::new();
        let mut functions = 0;
        for item in &mut item.items {
            match item {
                ImplItem::Fn(function) => {
                    functions += 1;
                    entries.extend(self.entry(function, errors));
                }
                ImplItem::Macro(hidden) if self.contract => {
                    errors.add(hidden, "write the methods out: those that a macro makes would not be exposed");
                }
                _ => {}
            }
        }
        if !self.contract && functions > 0 && entries.is_empty() && errors.count() == 0 {
            let who = if self.of == Macro::Hub { "clients" } else { "the hub" };
            errors.add(&item.self_ty, format_args!("nothing is exposed: mark with `#[method]` what {who} may call"));
        }
        if !self.contract {
            let names = entries.iter().map(|entry| (&entry.name, !conditions(&entry.attrs).is_empty()));
            check::wire_names(names, self.of, errors);
        }
        entries
    }

    fn entry(&self, function: &mut ImplItemFn, errors: &mut Errors) -> Option<Entry> {
        let attrs = MethodAttrs::take(&mut function.attrs, errors);
        self.check_place(&attrs, errors);
        if !self.contract && attrs.method.is_none() {
            return None;
        }
        check::signature(&function.sig, self.of, errors);
        let method = errors.keep(Method::read(&function.sig))?;
        if let (Some(cancellable), Shape::Stream(_)) = (&attrs.cancellable, &method.shape) {
            errors.add(cancellable, "a stream is dropped whenever it is cancelled: drop `#[cancellable]`");
        }
        let name = self.options.wire_name(attrs.name, &method.ident, errors);
        let policies = self.options.policies.iter().cloned().chain(attrs.policies).collect();
        let cancellable = attrs.cancellable.is_some();
        Some(Entry { method, attrs: function.attrs.clone(), policies, cancellable, name })
    }

    fn check_place(&self, attrs: &MethodAttrs, errors: &mut Errors) {
        if let Some(method) = attrs.method.as_ref().filter(|_| self.contract) {
            errors.add(method, "the contract decides what is exposed, and its name: put `#[method]` on its trait");
        }
        match &attrs.authorize {
            Some(authorize) if self.of == Macro::Callbacks => {
                errors.add(authorize, "`#[authorize]` goes on a hub's methods: only the hub calls these");
            }
            Some(authorize) if !self.contract && attrs.method.is_none() => {
                errors.add(authorize, "this method is not exposed: add `#[method]`, or drop `#[authorize]`");
            }
            _ => {}
        }
        match &attrs.cancellable {
            Some(cancellable) if self.of == Macro::Callbacks => {
                errors.add(cancellable, "`#[cancellable]` goes on a hub's methods: a hub cancels nothing");
            }
            Some(cancellable) if !self.contract && attrs.method.is_none() => {
                errors.add(cancellable, "this method is not exposed: add `#[method]`, or drop `#[cancellable]`");
            }
            _ => {}
        }
    }
}

/// What the entries of a table have in common.
struct Table<'a> {
    of: Macro,
    private: Private,
    contract: Option<&'a Path>,
}

impl Table<'_> {
    /// ```text
    /// impl<S: Store> ChatHub for Chat<S> {
    ///     #[authorize(member)]
    ///     async fn say(&self, text: &str) -> Result<u64> { .. }
    /// }
    /// ```
    /// gets
    /// ```text
    /// impl<S: Store> Dispatch for Chat<S> {
    ///     const METHODS: &'static [Method<Self>] = &[Method {
    ///         name: <Self as ChatHub>::__wire_say,
    ///         kind: Kind::Answer,
    ///         cancellable: false,
    ///         uploads: 0,
    ///         policies: &[member],
    ///         start: |call, hub| { .. },
    ///     }];
    /// }
    /// ```
    /// Callbacks get the same with `Callbacks` and `Method<Arc<Self>>`.
    fn expand(&self, item: &ItemImpl, entries: &[Entry]) -> TokenStream {
        let private = &self.private;
        let (generics, _, bounds) = item.generics.split_for_impl();
        let ty = &item.self_ty;
        let entries = entries.iter().map(|entry| self.entry(entry));
        let (implemented, receiver) = match self.of {
            Macro::Callbacks => (quote!(Callbacks), quote!(#private::Arc<Self>)),
            Macro::Hub | Macro::Contract => (quote!(Dispatch), quote!(Self)),
        };
        let silenced = silenced(&item.attrs);
        // A deprecated method is still called.
        quote! {
            #[automatically_derived]
            #[allow(deprecated)]
            #silenced
            impl #generics #private::#implemented for #ty #bounds {
                const METHODS: &'static [#private::Method<#receiver>] = &[#(#entries),*];
            }
        }
    }

    fn entry(&self, Entry { method, attrs, policies, cancellable, name }: &Entry) -> TokenStream {
        let private = &self.private;
        let name = match self.contract {
            Some(contract) => {
                let constant = wire_const(&method.ident, method.ident.span());
                quote!(<Self as #contract>::#constant)
            }
            None => quote!(#name),
        };
        let kind = match method.shape {
            Shape::Stream(_) => quote!(Stream),
            Shape::Call { .. } => quote!(Answer),
            Shape::Notice => quote!(Notice),
        };
        let uploads = method.uploads();
        let start = Start { private, contract: self.contract, shared: self.of == Macro::Callbacks }.expand(method);
        let (conditions, silenced) = (conditions(attrs), silenced(attrs));
        quote! {
            #(#conditions)*
            #silenced
            #private::Method {
                name: #name,
                kind: #private::Kind::#kind,
                cancellable: #cancellable,
                uploads: #uploads,
                policies: &[#(#policies),*],
                start: #start,
            }
        }
    }
}
