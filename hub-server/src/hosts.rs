//! The hosts that a request was sent to, as it says itself, and those that a hub answers for.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Version, header};
use hub_core::InvalidOption;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A host without regard to how it is written: in any case, and with or without the port that its scheme implies.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    name: Box<str>,
    port: Option<u16>,
}

impl Host {
    /// `example.org`, `example.org:8080`, `192.0.2.1`, `[2001:db8::1]:8080`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end_of_name =
            if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
        let (name, port) = text.split_at(end_of_name);
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(port) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=".contains(c);
        let is_address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
        let is_good = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.chars().all(is_address),
            None => name.chars().all(is_name),
        };
        (is_good && !name.is_empty()).then(|| Self { name: name.to_ascii_lowercase().into(), port })
    }

    /// Whether both are the same where this is the port that is not written.
    pub(crate) fn is(&self, other: &Self, implied: Option<u16>) -> bool {
        self.name == other.name && self.port.or(implied) == other.port.or(implied)
    }
}

/// The hosts that a request names: where it was sent to, and what proxies say in front of it.
pub(crate) struct Named {
    /// `None` for one that is no host.
    hosts: Vec<Option<Host>>,
}

impl Named {
    /// Reads them.
    ///
    /// # Errors
    /// When `Host` is not there once, or is none (RFC 9112, 3.2): why.
    pub(crate) fn by(parts: &Parts) -> Result<Self, &'static str> {
        let mut headers = parts.headers.get_all(header::HOST).iter();
        let host = headers.next();
        if headers.next().is_some() {
            return Err("Host must not come twice");
        }
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        let is_missing = match parts.version {
            Version::HTTP_09 | Version::HTTP_10 => false,
            Version::HTTP_11 => host.is_none(),
            _ => host.is_none() && authority.is_none(),
        };
        if is_missing {
            return Err("Host is missing");
        }
        let header = host.map(|host| host.to_str().unwrap_or("?"));
        // It may be empty, which is no host, and no fault.
        if header.is_some_and(|host| !host.is_empty() && Host::parse(host).is_none()) {
            return Err("Host is not a host with an optional port");
        }
        // What the request line says is what counts.
        let mut hosts = vec![authority.or(header).and_then(Host::parse)];
        hosts.extend(forwarded_hosts(&parts.headers).map(|host| Host::parse(&host)));
        Ok(Self { hosts })
    }

    /// Whether one of them is this host where this is the port that is not written.
    pub(crate) fn any_is(&self, host: &Host, implied: Option<u16>) -> bool {
        self.hosts.iter().flatten().any(|named| named.is(host, implied))
    }
}

/// What the proxy that is nearest to the client says of where the client sent the request: the first of a list.
fn forwarded_hosts(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let first = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let legacy = first(X_FORWARDED_HOST).map(|list| list.split(',').next().unwrap_or("").trim().to_owned());
    legacy.into_iter().chain(first(header::FORWARDED).and_then(host_of_forwarded))
}

/// The host in the first element of a `Forwarded` header (RFC 7239, section 4).
fn host_of_forwarded(list: &str) -> Option<String> {
    let mut pairs = vec![String::new()];
    let (mut quoted, mut chars) = (false, list.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => pairs.last_mut()?.extend(chars.next()),
            ',' if !quoted => break,
            ';' if !quoted => pairs.push(String::new()),
            _ => pairs.last_mut()?.push(c),
        }
    }
    let host =
        pairs.iter().filter_map(|pair| pair.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("host"));
    host.map(|(_, host)| host.trim().to_owned())
}

/// The hosts that a hub answers for. By default any.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts(Option<Vec<Pattern>>);

#[derive(Debug)]
struct Pattern {
    host: Host,
    /// Whether it stands for the hosts below it, too: not for itself.
    below: bool,
}

impl AllowedHosts {
    /// Reads `example.org`, `*.example.org` and the like, with a port or for any.
    ///
    /// # Errors
    /// When one is no such thing.
    pub(crate) fn list<I: AsRef<str>>(hosts: impl IntoIterator<Item = I>) -> Result<Self, InvalidOption> {
        let patterns = hosts.into_iter().map(|text| {
            let text = text.as_ref();
            let (below, host) = text.strip_prefix("*.").map_or((false, text), |host| (true, host));
            let host = Host::parse(host).filter(|host| !host.name.contains('*'));
            let allowed = "example.org, *.example.org, 192.0.2.1 or [2001:db8::1], each with or without a port";
            host.map(|host| Pattern { host, below }).ok_or_else(|| InvalidOption::new("allowed_hosts", text, allowed))
        });
        Ok(Self(Some(patterns.collect::<Result<_, _>>()?)))
    }

    /// Whether each of the hosts that a request names is allowed. A page can add names of its own choice, but it cannot
    /// take away where its browser sent the request.
    pub(crate) fn allow(&self, named: &Named) -> bool {
        let Some(patterns) = &self.0 else { return true };
        named
            .hosts
            .iter()
            .all(|host| host.as_ref().is_some_and(|host| patterns.iter().any(|pattern| pattern.fits(host))))
    }
}

impl Pattern {
    fn fits(&self, host: &Host) -> bool {
        let name = &*self.host.name;
        let is_name = match host.name.strip_suffix(name) {
            Some("") => !self.below,
            Some(below) => self.below && below.ends_with('.'),
            None => false,
        };
        // One that is not written is one of these.
        let is_port = |port| host.port.map_or(port == 80 || port == 443, |written| written == port);
        is_name && self.host.port.is_none_or(is_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(headers: &[(&str, &str)]) -> Result<Named, &'static str> {
        let mut request = http::Request::builder().uri("/hub");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Named::by(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn one_host_in_many_writings() {
        let is =
            |one: &str, other: &str, implied| Host::parse(one).unwrap().is(&Host::parse(other).unwrap(), Some(implied));
        assert!(is("Example.org", "example.ORG:443", 443) && is("example.org:", "example.org:80", 80));
        assert!(is("[2001:DB8::1]:80", "[2001:db8::1]", 80) && is("a.b:8080", "a.b:8080", 443));
        assert!(!is("example.org:443", "example.org", 80) && !is("example.org:8080", "example.org", 80));
        assert!(!is("example.org", "example.org.evil", 80) && !is("example.org", "www.example.org", 80));
        for nonsense in
            ["", ":80", "a b", "a:b", "a:1:2", "a:99999", "user@a", "a/b", "[::1", "[::1]80", "::1", "ä", "[x]"]
        {
            assert!(Host::parse(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn a_request_has_one_good_host() {
        // RFC 9112, 3.2
        assert!(named(&[("host", "example.org:80")]).is_ok() && named(&[("host", "")]).is_ok());
        assert_eq!(named(&[]).err(), Some("Host is missing"));
        assert_eq!(named(&[("host", "a"), ("host", "a")]).err(), Some("Host must not come twice"));
        assert_eq!(named(&[("host", "a b")]).err(), Some("Host is not a host with an optional port"));
        let mut parts = http::Request::new(()).into_parts().0;
        parts.version = Version::HTTP_10;
        assert!(Named::by(&parts).is_ok());
        parts.version = Version::HTTP_2;
        assert!(Named::by(&parts).is_err());
        parts.uri = http::Uri::from_static("https://example.org/hub");
        assert!(Named::by(&parts).is_ok_and(|named| named.any_is(&Host::parse("example.org").unwrap(), Some(443))));
    }

    #[test]
    fn proxies_name_hosts_too() {
        let names = |headers: &[(&str, &str)], host: &str| {
            named(headers).unwrap().any_is(&Host::parse(host).unwrap(), Some(443))
        };
        let inner = ("host", "inner:5000");
        assert!(names(&[inner, ("x-forwarded-host", "chat.example:443, inner.example")], "chat.example"));
        assert!(
            !names(&[inner, ("x-forwarded-host", "chat.example, inner.example")], "inner.example"),
            "the first only"
        );
        for forwarded in [
            "for=192.0.2.1;host=chat.example;proto=https",
            "for=192.0.2.1; Host=\"chat.example:443\" , host=inner.example",
            "for=\"[2001:db8::1]:47011;host=x,\\\"\";host=chat.example",
        ] {
            assert!(names(&[inner, ("forwarded", forwarded)], "chat.example"), "{forwarded}");
        }
        for forwarded in ["for=192.0.2.1", "for=192.0.2.1, host=chat.example", "host", "host=\"chat.example, x", "\\"] {
            assert!(!names(&[inner, ("forwarded", forwarded)], "chat.example"), "{forwarded}");
        }
    }

    #[test]
    fn every_host_must_be_allowed() {
        let allowed = AllowedHosts::list(["chat.example", "*.apps.example", "[::1]:5000", "LOCALHOST:80"]).unwrap();
        let allows = |headers: &[(&str, &str)]| allowed.allow(&named(headers).unwrap());
        for host in ["chat.example", "CHAT.example:8443", "a.b.apps.example", "[::1]:5000", "localhost", "localhost:80"]
        {
            assert!(allows(&[("host", host)]), "{host}");
        }
        for host in ["evil.example", "apps.example", "xapps.example", "chat.example.evil", "[::1]", "localhost:81", ""]
        {
            assert!(!allows(&[("host", host)]), "{host}");
        }
        assert!(!allows(&[("host", "evil.example"), ("x-forwarded-host", "chat.example")]), "set by a page");
        assert!(!allows(&[("host", "chat.example"), ("x-forwarded-host", "evil.example")]), "told by a proxy");
        assert!(!allows(&[("host", "chat.example"), ("forwarded", "host=evil.example")]));
        assert!(allows(&[("host", "chat.example"), ("forwarded", "for=192.0.2.1")]));
        assert!(AllowedHosts::default().allow(&named(&[("host", "any")]).unwrap()));
        for nonsense in ["https://chat.example", "", "*", "a b", "*.", "chat.*", "chat.example/hub"] {
            let error = AllowedHosts::list([nonsense]).unwrap_err().to_string();
            assert!(error.starts_with("allowed_hosts is ") && error.contains("*.example.org"), "{error}");
        }
    }
}
