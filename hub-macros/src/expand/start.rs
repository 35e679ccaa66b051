//! How a method of the table is started: from a `Call` to a future that answers it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, Type};

use crate::expand::{Private, at, ends};
use crate::model::{Method, Param, Shape};

/// Expands the `start` of methods.
pub(super) struct Start<'a> {
    pub(super) private: &'a Private,
    pub(super) contract: Option<&'a Path>,
    /// Whether the hub is an `Arc<Self>`.
    pub(super) shared: bool,
}

impl Start<'_> {
    /// ```text
    /// async fn say(&self, room: &str, lines: Upload<Line>, last: u32) -> Result<u64>;
    /// ```
    /// is started by
    /// ```text
    /// |mut call, hub| {
    ///     let (argument_0, argument_2) = call.read::<(<str as Lend>::Owned, <u32 as Lend>::Owned)>()?;
    ///     let argument_1 = call.upload::<Line>();
    ///     let codec = call.codec();
    ///     let Some(hub) = hub() else { return Ok(None) };
    ///     Ok(Some(Box::pin(async move {
    ///         let room = Borrow::<str>::borrow(&argument_0); // in place
    ///         let result = <Self as ChatHub>::say(&hub, room, argument_1, argument_2).await;
    ///         let answered = result?;
    ///         answer(codec, &answered)
    ///     })))
    /// }
    /// ```
    pub(super) fn expand(&self, method: &Method) -> TokenStream {
        let private = self.private;
        let Arguments { names, types, doubtful, uploads, passed } = self.arguments(&method.params);

        let span = at(method.ident.span());
        // A type that cannot be decoded is reported for itself and for the tuple: once, where both are at one place.
        let tuple = match doubtful[..] {
            [only] => only,
            _ => span,
        };
        let types = quote_spanned!(tuple=> (#(#types,)*));
        let mutable = (!uploads.is_empty()).then(|| quote!(mut));
        let running = self.running(method, &passed);
        let boxed = private.at(span);
        let running = quote_spanned!(span=> #boxed::Box::pin(async move { #running }));
        quote! {
            |#mutable __call, __hub| {
                let (#(#names,)*) = __call.read::<#types>()?;
                #(#uploads)*
                let __codec = __call.codec();
                let #private::Some(__hub) = __hub() else { return #private::Ok(#private::None) };
                #private::Ok(#private::Some(#running))
            }
        }
    }

    fn arguments(&self, params: &[Param]) -> Arguments {
        let private = self.private;
        let mut arguments = Arguments::default();
        for (index, param) in params.iter().enumerate() {
            let (Param::Owned(ty) | Param::Lent(ty) | Param::Upload(ty)) = param;
            let span = at(ty.span());
            let name = format_ident!("__argument_{index}", span = span);
            if !matches!(param, Param::Upload(_)) && !is_decodable(ty) {
                arguments.doubtful.push(span);
            }
            match param {
                // `<T as Lend>::Owned` is `T`, and what is wrong with it is reported at `T`.
                Param::Owned(_) => {
                    arguments.types.push(quote_spanned!(span=> <#ty as #private::Lend>::Owned));
                    arguments.passed.push(quote!(#name));
                    arguments.names.push(name);
                }
                Param::Lent(_) => {
                    arguments.types.push(quote_spanned!(span=> <#ty as #private::Lend>::Owned));
                    arguments.passed.push(quote_spanned!(span=> #private::Borrow::<#ty>::borrow(&#name)));
                    arguments.names.push(name);
                }
                Param::Upload(_) => {
                    arguments.uploads.push(quote_spanned!(span=> let #name = __call.upload::<#ty>();));
                    arguments.passed.push(quote!(#name));
                }
            }
        }
        arguments
    }

    /// Calls the method and makes a payload of what it returns.
    fn running(&self, method: &Method, passed: &[TokenStream]) -> TokenStream {
        let private = self.private;
        let ident = &method.ident;
        let span = at(ident.span());
        let hub = if self.shared { quote_spanned!(span=> &*__hub) } else { quote_spanned!(span=> &__hub) };
        let owner = match self.contract {
            Some(contract) => quote_spanned!(span=> <Self as #contract>),
            None => quote_spanned!(span=> Self),
        };
        let call = quote_spanned!(span=> #owner::#ident(#hub, #(#passed),*));
        match &method.shape {
            Shape::Notice => quote! {
                #call.await;
                #private::answer(__codec, &())
            },
            Shape::Call { value, output } => {
                let (begin, end) = ends(output);
                let result = quote_spanned!(begin=> __result);
                let answered = quote_spanned!(end=> #result?);
                let (begin, end) = ends(value);
                let (private, borrow) = (private.at(begin), quote_spanned!(begin=> &));
                let answer = quote_spanned!(end=> #private::answer(__codec, #borrow __answered));
                quote! {
                    let __result = #call.await;
                    let __answered = #answered;
                    #answer
                }
            }
            Shape::Stream(item) => {
                let span = at(item.span());
                let private = private.at(span);
                quote_spanned!(span=> #private::pump(__codec, __call.items, #call).await)
            }
        }
    }
}

/// The arguments of a method, step by step.
#[derive(Default)]
struct Arguments {
    /// What the argument list is read into, and as what.
    names: Vec<Ident>,
    types: Vec<TokenStream>,
    /// Where types stand that may turn out not to be decodable.
    doubtful: Vec<Span>,
    /// The statements that take the streams.
    uploads: Vec<TokenStream>,
    /// What the method gets.
    passed: Vec<TokenStream>,
}

/// Whether this is a type of the language that serde decodes.
fn is_decodable(ty: &Type) -> bool {
    const NAMES: [&str; 18] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "str", "String",
    ];
    match ty {
        Type::Path(path) => path.path.get_ident().is_some_and(|name| NAMES.iter().any(|known| name == known)),
        _ => false,
    }
}
