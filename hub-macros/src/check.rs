//! The rules of hub methods. Every broken rule is reported, each at the token that breaks it.

use std::collections::HashMap;
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Error, FnArg, GenericParam, LitStr, Pat, PatType, ReceiverKind, Safety, Signature, Type, TypeImplTrait, TypePath,
    TypeReference, WherePredicate,
};

use crate::attrs::Macro;
use crate::model::{Shape, plain, upload_of};
use crate::names;

/// What is wrong so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    /// Reports `text` at all of `tokens`.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, text: impl Display) {
        self.0.push(Error::new_spanned(tokens, text));
    }

    /// Reports `text` at `span`.
    pub(crate) fn add_at(&mut self, span: Span, text: impl Display) {
        self.0.push(Error::new(span, text));
    }

    /// The value, or nothing and one more error.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One `compile_error!` each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().map(Error::into_compile_error).collect()
    }
}

/// Arguments are read as one tuple, and serde reads no longer ones.
const MOST_PARAMS: usize = 16;

const NOT_GENERIC: &str = "a hub method is not generic: arguments are decoded into the types that it names";
const NOT_SELF: &str = "`Self` is another type on the other side of the wire: name the type";
const UPLOAD_INSIDE: &str = "a stream from the caller is a parameter of its own: `Upload<T>`";
const REFERENCE_INSIDE: &str = "only the parameter itself can be a reference: name an owned type here";
const REFERENCE_ANSWERED: &str = "whoever asked decodes the answer and cannot borrow it: name an owned type";

/// Checks all of a signature but its shape, which the model decides.
pub(crate) fn signature(signature: &Signature, of: Macro, errors: &mut Errors) {
    qualifiers(signature, errors);
    generics(signature, errors);
    receiver(signature, of, errors);
    let params = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    for (index, param) in params.enumerate() {
        if index == MOST_PARAMS {
            errors.add(param, "a hub method takes at most 16 parameters: put more into a struct");
        }
        self::param(param, of, errors);
    }
}

/// Checks what a contract's method answers with: its proxy has to name the same type.
pub(crate) fn answer(shape: &Shape, errors: &mut Errors) {
    let ty = match shape {
        Shape::Notice => return,
        Shape::Call { value, .. } => value,
        Shape::Stream(item) => item,
    };
    Inside { of: Macro::Contract, reference: REFERENCE_ANSWERED, errors }.visit_type(ty);
}

/// Checks that no two names are equal on the wire. The flag tells whether a name stands under a `cfg`: two such names
/// may exclude each other.
pub(crate) fn wire_names<'a>(entries: impl Iterator<Item = (&'a LitStr, bool)>, of: Macro, errors: &mut Errors) {
    let mut seen = HashMap::new();
    for (name, conditional) in entries.filter(|(name, _)| !name.value().is_empty()) {
        let before = seen.insert(names::folded(&name.value()), conditional);
        if before.is_some_and(|before| !(before && conditional)) {
            let whole = of.whole();
            errors.add_at(
                name.span(),
                format_args!("`{}` is already a method of {whole} (names on the wire ignore case)", name.value()),
            );
        }
    }
}

fn qualifiers(signature: &Signature, errors: &mut Errors) {
    const TEXT: &str = "a hub method is neither `unsafe` nor `extern`";
    match &signature.safety {
        Safety::Default => {}
        safety => errors.add(safety, TEXT),
    }
    if let Some(abi) = &signature.abi {
        errors.add(abi, TEXT);
    }
}

/// Lifetimes are fine: the call outlives whatever a method borrows.
fn generics(signature: &Signature, errors: &mut Errors) {
    for param in &signature.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.add(param, NOT_GENERIC);
        }
    }
    for predicate in signature.generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
        if !matches!(predicate, WherePredicate::Lifetime(_)) {
            errors.add(predicate, NOT_GENERIC);
        }
    }
}

fn receiver(signature: &Signature, of: Macro, errors: &mut Errors) {
    let Some(receiver) = signature.receiver() else {
        errors.add(&signature.ident, "a hub method takes `&self`");
        return;
    };
    let shared = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => match plain(ty) {
            Type::Reference(reference) => reference.mutability.is_none() && is_self(&reference.elem),
            _ => false,
        },
        _ => false,
    };
    if !shared {
        let why = match of {
            Macro::Contract => "keep what changes behind a handle",
            Macro::Hub => "each call has its own hub value; keep shared state behind a handle",
            Macro::Callbacks => "all calls share the callbacks; keep what changes behind a handle",
        };
        errors.add(receiver, format_args!("a hub method takes `&self`: {why}"));
    }
}

fn param(param: &PatType, of: Macro, errors: &mut Errors) {
    if let Some(attr) = param.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
        errors.add(attr, "a parameter has no conditions: all callers pass the same arguments");
    }
    if of == Macro::Contract && !is_name(&param.pat) {
        errors.add(&param.pat, "name this parameter: in a contract it has no pattern");
    }
    let decoded = match plain(&param.ty) {
        Type::Reference(reference) => {
            if reference.mutability.is_some() {
                errors.add(reference, "an argument is lent for reading: take `&T`, or `T` to change it");
            }
            if let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static") {
                errors.add(lifetime, "an argument is lent until the call ends: drop `'static`, or take an owned type");
            }
            &*reference.elem
        }
        ty => upload_of(ty).unwrap_or(ty),
    };
    Inside { of, reference: REFERENCE_INSIDE, errors }.visit_type(decoded);
}

/// Whether this is a name and nothing else, as it has to be where there is no body.
pub(crate) fn is_name(pattern: &Pat) -> bool {
    match pattern {
        Pat::Ident(name) => name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none(),
        _ => false,
    }
}

fn is_self(ty: &Type) -> bool {
    matches!(plain(ty), Type::Path(path) if path.path.is_ident("Self"))
}

/// Finds what cannot stand inside of a type that goes over the wire.
struct Inside<'a> {
    of: Macro,
    /// What to say of a reference.
    reference: &'static str,
    errors: &'a mut Errors,
}

impl Visit<'_> for Inside<'_> {
    fn visit_type_reference(&mut self, reference: &TypeReference) {
        self.errors.add(reference, self.reference);
    }

    fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
        self.errors.add(ty, NOT_GENERIC);
    }

    fn visit_type_path(&mut self, path: &TypePath) {
        let starts_with_self = path.path.segments.first().is_some_and(|first| first.ident == "Self");
        if self.of == Macro::Contract && starts_with_self {
            self.errors.add_at(path.span(), NOT_SELF);
        }
        if path.path.segments.last().is_some_and(|last| last.ident == "Upload") {
            self.errors.add(path, UPLOAD_INSIDE);
        }
        visit::visit_type_path(self, path);
    }
}
