//! What a hub method is, read from its signature: the same for a contract, its impl and a plain impl.

use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, FnArg, GenericArgument, GenericParam, Ident, Lifetime, PathArguments, PathSegment, Result, ReturnType,
    Signature, Type, TypeImplTrait, TypeParamBound,
};

/// One method.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) shape: Shape,
    /// Without `&self`.
    pub(crate) params: Vec<Param>,
}

/// The kind of a method, which its shape decides.
pub(crate) enum Shape {
    /// `async fn` without an arrow.
    Notice,
    /// `async fn .. -> Result<T>`
    Call {
        /// The `T`.
        value: Box<Type>,
        /// All behind the arrow.
        output: Box<Type>,
    },
    /// `fn .. -> impl Stream<Item = Result<T>>`: the `T`.
    Stream(Box<Type>),
}

/// A parameter's type, and how the argument gets there.
pub(crate) enum Param {
    /// `T`, decoded and passed on.
    Owned(Type),
    /// `&T`, decoded as `<T as Lend>::Owned` and borrowed: the `T`.
    Lent(Type),
    /// `Upload<T>`, a stream from the caller: the `T`.
    Upload(Type),
}

impl Method {
    /// Reads a signature.
    ///
    /// # Errors
    /// When its shape is none of the three; everything else that can be wrong is left to `check`.
    pub(crate) fn read(signature: &Signature) -> Result<Self> {
        let mut lifetimes = ElideLifetimes::of(signature);
        let params = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(param) => Some(Param::read(lifetimes.elide(&param.ty))),
        });
        Ok(Self { ident: signature.ident.clone(), params: params.collect(), shape: Shape::read(signature)? })
    }

    pub(crate) fn uploads(&self) -> usize {
        self.params.iter().filter(|param| matches!(param, Param::Upload(_))).count()
    }
}

impl Shape {
    fn read(signature: &Signature) -> Result<Self> {
        match (&signature.asyncness, &signature.output) {
            (Some(_), ReturnType::Default) => Ok(Self::Notice),
            (Some(token), ReturnType::Type(_, ty)) => match plain(ty) {
                Type::ImplTrait(stream) if stream_bound(stream).is_some() => {
                    Err(Error::new(token.span(), "a method that streams is not `async`: its stream may wait"))
                }
                output => match ok_of(output) {
                    Some(value) => Ok(Self::Call { value: value.clone().into(), output: output.clone().into() }),
                    None => Err(Error::new_spanned(ty, NO_RESULT)),
                },
            },
            (None, ReturnType::Type(_, ty)) => match plain(ty) {
                Type::ImplTrait(stream) if stream_bound(stream).is_some() => {
                    match stream_bound(stream).and_then(item_of) {
                        Some(item) => Ok(Self::Stream(item.clone().into())),
                        None => Err(Error::new_spanned(ty, NO_ITEM)),
                    }
                }
                _ => Err(Error::new(signature.ident.span(), NEITHER)),
            },
            (None, ReturnType::Default) => Err(Error::new(signature.ident.span(), NEITHER)),
        }
    }
}

const NO_RESULT: &str =
    "a method that answers returns `Result<T>`; drop the arrow to send without waiting for an answer";
const NO_ITEM: &str = "a method that streams returns `impl Stream<Item = Result<T>>`";
const NEITHER: &str = "a hub method is `async fn`, or returns `impl Stream<Item = Result<T>>`";

impl Param {
    fn read(ty: Type) -> Self {
        match plain(&ty) {
            Type::Reference(reference) => Self::Lent((*reference.elem).clone()),
            other => match upload_of(other) {
                Some(item) => Self::Upload(item.clone()),
                None => Self::Owned(ty),
            },
        }
    }
}

/// The type without the invisible groups that `macro_rules!` leaves, and without parentheses.
pub(crate) fn plain(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        }
    }
}

/// The `T` of `Upload<T>`.
pub(crate) fn upload_of(ty: &Type) -> Option<&Type> {
    last_segment(ty).filter(|segment| segment.ident == "Upload").and_then(first_type)
}

/// The `T` of `Result<T>` and `Result<T, E>`.
fn ok_of(ty: &Type) -> Option<&Type> {
    last_segment(plain(ty)).filter(|segment| segment.ident == "Result").and_then(first_type)
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn first_type(segment: &PathSegment) -> Option<&Type> {
    arguments(segment).find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The `Stream<..>` of `impl Stream<..> + Send`.
fn stream_bound(ty: &TypeImplTrait) -> Option<&PathSegment> {
    ty.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|segment| segment.ident == "Stream"),
        _ => None,
    })
}

/// The `T` of `Stream<Item = Result<T>>`.
fn item_of(stream: &PathSegment) -> Option<&Type> {
    arguments(stream).find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == "Item" => ok_of(&item.ty),
        _ => None,
    })
}

fn arguments(segment: &PathSegment) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(list) => Some(&list.args),
        _ => None,
    };
    arguments.into_iter().flatten()
}

/// Writes `'_` for the lifetimes that a method declares: its table entry stands outside of their scope.
struct ElideLifetimes(Vec<Ident>);

impl ElideLifetimes {
    fn of(signature: &Signature) -> Self {
        let declared = signature.generics.params.iter().filter_map(|param| match param {
            GenericParam::Lifetime(lifetime) => Some(lifetime.lifetime.ident.clone()),
            _ => None,
        });
        Self(declared.collect())
    }

    fn elide(&mut self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        self.visit_type_mut(&mut ty);
        ty
    }
}

impl VisitMut for ElideLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.0.contains(&lifetime.ident) {
            *lifetime = Lifetime::new("'_", lifetime.span());
        }
        visit_mut::visit_lifetime_mut(self, lifetime);
    }
}
