//! Names on the wire: the only place where casing is decided.

use syn::Ident;
use syn::ext::IdentExt;

/// How a method's name is written on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Casing {
    /// `SayHello`. The default, because .NET clients compare the names of callbacks exactly.
    #[default]
    Pascal,
    /// `sayHello`
    Camel,
    /// `say_hello`
    Snake,
}

impl Casing {
    /// What `rename_all` takes.
    pub(crate) const ALLOWED: &str = "\"PascalCase\", \"camelCase\" or \"snake_case\"";

    /// The casing that `rename_all` names, which is itself written in that casing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "PascalCase" => Some(Self::Pascal),
            "camelCase" => Some(Self::Camel),
            "snake_case" => Some(Self::Snake),
            _ => None,
        }
    }

    /// `say_hello` in this casing. `r#type` is `type`.
    pub(crate) fn apply(self, method: &Ident) -> String {
        let method = method.unraw().to_string();
        let words = method.split('_').filter(|word| !word.is_empty());
        match self {
            Self::Snake => method,
            Self::Pascal => words.map(capitalized).collect(),
            Self::Camel => {
                let mut words = words;
                let first = words.next().map(decapitalized).unwrap_or_default();
                words.map(capitalized).fold(first, |name, word| name + &word)
            }
        }
    }
}

/// What names are compared by: servers ignore case (P-INV-01).
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn capitalized(word: &str) -> String {
    with_first(word, |first| first.to_uppercase().collect())
}

fn decapitalized(word: &str) -> String {
    with_first(word, |first| first.to_lowercase().collect())
}

fn with_first(word: &str, change: impl Fn(char) -> String) -> String {
    let mut rest = word.chars();
    rest.next().map(change).unwrap_or_default() + rest.as_str()
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn each_casing() {
        for (method, pascal, camel, snake) in [
            ("say", "Say", "say", "say"),
            ("say_hello", "SayHello", "sayHello", "say_hello"),
            ("sayHello", "SayHello", "sayHello", "sayHello"),
            ("SayHello", "SayHello", "sayHello", "SayHello"),
            ("_internal", "Internal", "internal", "_internal"),
            ("say__twice_", "SayTwice", "sayTwice", "say__twice_"),
            ("top_10", "Top10", "top10", "top_10"),
            ("öffnen", "Öffnen", "öffnen", "öffnen"),
            ("__", "", "", "__"),
        ] {
            let ident = Ident::new(method, Span::call_site());
            assert_eq!(Casing::Pascal.apply(&ident), pascal);
            assert_eq!(Casing::Camel.apply(&ident), camel);
            assert_eq!(Casing::Snake.apply(&ident), snake);
        }
    }

    #[test]
    fn a_raw_identifier_is_named_without_its_prefix() {
        let ident = Ident::new_raw("type", Span::call_site());
        assert_eq!(Casing::Pascal.apply(&ident), "Type");
        assert_eq!(Casing::Snake.apply(&ident), "type");
    }
}
