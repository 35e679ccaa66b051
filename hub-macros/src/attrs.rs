//! Reading attributes: the options of the three macros, and `#[method(..)]`, `#[authorize(..)]` and `#[cancellable]` on
//! methods.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, ExprPath, Ident, LitStr, Meta, Path, Result, Token};

use crate::check::Errors;
use crate::names::Casing;

/// Which attribute is being expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    Contract,
    Hub,
    Callbacks,
}

impl Macro {
    /// As users write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contract => "#[contract]",
            Self::Hub => "#[hub]",
            Self::Callbacks => "#[callbacks]",
        }
    }

    /// The crate that it is re-exported from, whose `__private` module the expansion names.
    fn home(self) -> &'static str {
        match self {
            Self::Contract => "hub_core",
            Self::Hub => "hub_server",
            Self::Callbacks => "hub_client",
        }
    }

    /// What the methods belong to.
    pub(crate) fn whole(self) -> &'static str {
        match self {
            Self::Contract => "this contract",
            Self::Hub => "this hub",
            Self::Callbacks => "these callbacks",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Contract | Self::Callbacks => &["rename_all", "crate"],
            Self::Hub => &["authorize", "rename_all", "crate"],
        }
    }
}

/// What stands in the parentheses of `#[hub(..)]` and its siblings.
pub(crate) struct Options {
    krate: Option<Path>,
    /// `rename_all`, and where.
    pub(crate) casing: Option<(Casing, Span)>,
    /// The policies of all methods.
    pub(crate) policies: Vec<ExprPath>,
    of: Macro,
}

impl Options {
    pub(crate) fn read(of: Macro, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self { krate: None, casing: None, policies: Vec::new(), of };
        read_list(tokens, of.name(), of.options(), errors, |key, input, errors| {
            match key.to_string().as_str() {
                "crate" => options.krate = Some(path(&string(key, input)?)?),
                "rename_all" => options.casing = Some(casing(&string(key, input)?)?),
                _ if input.peek(Token![=]) => {
                    input.parse::<Token![=]>()?;
                    options.policies.push(policy(input)?);
                }
                _ => match input.parse() {
                    Ok(TokenTree::Group(list)) if !list.stream().is_empty() => {
                        options.policies.extend(policies(list.stream(), errors));
                    }
                    _ => return Err(Error::new(key.span(), NO_POLICY)),
                },
            }
            Ok(())
        });
        options
    }

    /// The name of `method` on the wire: the one that `#[method]` gives, or its own in the casing of `rename_all`.
    pub(crate) fn wire_name(&self, given: Option<LitStr>, method: &Ident, errors: &mut Errors) -> LitStr {
        let casing = self.casing.map(|(casing, _)| casing).unwrap_or_default();
        let name = given.unwrap_or_else(|| LitStr::new(&casing.apply(method), method.span()));
        if name.value().is_empty() {
            errors.add_at(name.span(), "a name on the wire cannot be empty: `#[method(name = \"..\")]` gives another");
        }
        name
    }

    /// The module of everything that generated code names.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.krate {
            Some(path) => quote::quote!(#path::__private),
            None => {
                let home = Ident::new(self.of.home(), Span::call_site());
                quote::quote!(::#home::__private)
            }
        }
    }
}

/// `#[method(..)]`, `#[authorize(..)]` and `#[cancellable]` of one method, taken off it.
#[derive(Default)]
pub(crate) struct MethodAttrs {
    /// `#[method]` itself.
    pub(crate) method: Option<Attribute>,
    /// The name it gives.
    pub(crate) name: Option<LitStr>,
    /// The first `#[authorize]` itself.
    pub(crate) authorize: Option<Attribute>,
    pub(crate) policies: Vec<ExprPath>,
    /// `#[cancellable]` itself.
    pub(crate) cancellable: Option<Attribute>,
}

impl MethodAttrs {
    /// Reads the attributes and removes them: the compiler does not know them.
    pub(crate) fn take(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Self {
        let mut taken = Self::default();
        attrs.retain(|attr| {
            if attr.path().is_ident("method") {
                taken.read_method(attr, errors);
            } else if attr.path().is_ident("authorize") {
                taken.read_authorize(attr, errors);
            } else if attr.path().is_ident("cancellable") {
                taken.read_cancellable(attr, errors);
            } else {
                return true;
            }
            false
        });
        taken
    }

    fn read_method(&mut self, attr: &Attribute, errors: &mut Errors) {
        if self.method.replace(attr.clone()).is_some() {
            errors.add(attr, "`#[method]` is given twice");
        }
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => {
                read_list(list.tokens.clone(), "#[method]", &["name"], errors, |key, input, _| {
                    self.name = Some(string(key, input)?);
                    Ok(())
                });
            }
            Meta::NameValue(_) => errors.add(attr, "write the name in parentheses: `#[method(name = \"..\")]`"),
        }
    }

    fn read_authorize(&mut self, attr: &Attribute, errors: &mut Errors) {
        self.authorize.get_or_insert_with(|| attr.clone());
        match &attr.meta {
            Meta::List(list) if !list.tokens.is_empty() => self.policies.extend(policies(list.tokens.clone(), errors)),
            _ => errors.add(attr, NO_POLICY),
        }
    }

    fn read_cancellable(&mut self, attr: &Attribute, errors: &mut Errors) {
        if self.cancellable.replace(attr.clone()).is_some() {
            errors.add(attr, "`#[cancellable]` is given twice");
        }
        if !matches!(attr.meta, Meta::Path(_)) {
            errors.add(attr, "`#[cancellable]` takes nothing");
        }
    }
}

const NO_POLICY: &str = "name at least one policy, the path of a `fn(&Caller) -> bool`: `authorize(policy)`";
const NOT_A_POLICY: &str = "a policy is the path of a `fn(&Caller) -> bool`";

/// Reads `key = value, key(value), ..`. After a mistake it goes on behind the next comma.
fn read_list(
    tokens: TokenStream,
    of: &str,
    allowed: &[&str],
    errors: &mut Errors,
    mut read: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    let mut seen = Vec::new();
    between_commas(tokens, errors, |input, errors| {
        let takes = format!("`{of}` takes {}", listed(allowed));
        let key = input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), &takes))?;
        let name = key.to_string();
        if !allowed.contains(&&*name) {
            return Err(Error::new(key.span(), format!("{takes}, not `{name}`")));
        }
        if seen.contains(&name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        seen.push(name);
        read(&key, input, errors)
    });
}

/// "`a`, `b` and `c`"
fn listed(keys: &[&str]) -> String {
    let quoted = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Reads `path, path, ..`
fn policies(tokens: TokenStream, errors: &mut Errors) -> Vec<ExprPath> {
    let mut policies = Vec::new();
    between_commas(tokens, errors, |input, _| {
        policies.push(policy(input)?);
        Ok(())
    });
    policies
}

fn policy(input: ParseStream<'_>) -> Result<ExprPath> {
    match input.parse() {
        Ok(Expr::Path(path)) => Ok(path),
        Ok(other) => Err(Error::new_spanned(other, NOT_A_POLICY)),
        Err(error) => Err(Error::new(error.span(), NOT_A_POLICY)),
    }
}

fn between_commas(
    tokens: TokenStream,
    errors: &mut Errors,
    mut read: impl FnMut(ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let result = read(input, errors);
            if errors.keep(result).is_some() && !input.is_empty() && !input.peek(Token![,]) {
                errors.add_at(input.span(), "expected `,`");
            }
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    // What can go wrong is reported above: tokens and commas always parse.
    let _ = parser.parse2(tokens);
}

/// `= "text"`
fn string(key: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    let text = format!("`{key}` takes a string: `{key} = \"..\"`");
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Err(Error::new(key.span(), text));
    }
    input.parse().map_err(|error| Error::new(error.span(), text))
}

fn path(text: &LitStr) -> Result<Path> {
    let error = |_| Error::new(text.span(), "`crate` is the path of a crate or module: `crate = \"my::reexport\"`");
    text.parse_with(Path::parse_mod_style).map_err(error)
}

fn casing(text: &LitStr) -> Result<(Casing, Span)> {
    let found = Casing::parse(&text.value());
    found.map(|casing| (casing, text.span())).ok_or_else(|| {
        Error::new(text.span(), format!("`rename_all` is {}, not \"{}\"", Casing::ALLOWED, text.value()))
    })
}
