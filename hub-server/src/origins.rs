//! Which web pages may use a hub.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::hosts::{Host, Named};

/// The origins of web pages that may use a hub. Requests without an `Origin` header do not come from a page and pass.
///
/// By default a page may use the hubs of its own host. WebSockets know no same-origin policy, so without this check any
/// page on the web could act as a user who has a cookie here. Others are answered 403, and once a minute a warning says
/// what was compared.
///
/// # Behind a proxy
///
/// A page's own host is one that the request names: in `Host`, as the first in `X-Forwarded-Host`, or as `host` of the
/// first in `Forwarded` (RFC 7239). Case does not matter, nor whether a default port is written, but any other port does:
/// a page at `https://example.org:8443` is not of the host `example.org`. So the proxy has to pass on what the browser
/// sent, port and all:
///
/// | proxy | what it needs |
/// | --- | --- |
/// | nginx | `proxy_set_header Host $http_host;` (by default it sends the upstream's name, and `$host` has no port) |
/// | Apache, Caddy, HAProxy | nothing |
///
/// Or the origin is listed: `Origins::list(["https://example.org:8443"])`.
///
/// This check does not keep out a page whose own name was made to point to this server (DNS rebinding): see
/// [`HubRoute::allowed_hosts`](crate::HubRoute::allowed_hosts).
#[derive(Clone, Default)]
pub struct Origins(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    SameHost,
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Origins {
    /// Only pages of the host that the request is sent to.
    pub fn same_host() -> Self {
        Self(Kind::SameHost)
    }

    /// Pages of these origins, such as `https://example.org`, and of the same host. A default port may be written or not.
    pub fn list<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        Self::matching(move |origin| origins.iter().any(|allowed| is_same(allowed, origin)))
    }

    /// Pages whose origin satisfies a predicate, and of the same host. The origin comes as the browser sent it.
    pub fn matching(predicate: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Matching(Arc::new(predicate)))
    }

    pub(crate) fn allow(&self, headers: &HeaderMap, named: &Named) -> bool {
        headers
            .get_all(header::ORIGIN)
            .iter()
            .all(|origin| origin.to_str().is_ok_and(|origin| is_of_host(origin, named) || self.allow_foreign(origin)))
    }

    fn allow_foreign(&self, origin: &str) -> bool {
        match &self.0 {
            Kind::SameHost => false,
            Kind::Matching(predicate) => predicate(origin),
        }
    }

    /// What lets pages of the allowed origins negotiate (P-NEG-22).
    pub(crate) fn cors(&self) -> CorsLayer {
        let origins = self.clone();
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _: &Parts| {
                origin.to_str().is_ok_and(|origin| origins.allow_foreign(origin))
            }))
            .allow_methods(AllowMethods::mirror_request())
            .allow_headers(AllowHeaders::mirror_request())
            .allow_credentials(true)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::SameHost => "Origins::same_host()",
            Kind::Matching(_) => "Origins::matching(..)",
        })
    }
}

/// The scheme of an origin, and its host.
fn parts_of(origin: &str) -> Option<(&str, Host)> {
    let (scheme, host) = origin.split_once("://")?;
    Some((scheme, Host::parse(host)?))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}

/// Whether a page was loaded from a host that the request names. It may be reached in other ways than this server by
/// schemes of other kinds.
fn is_of_host(origin: &str, named: &Named) -> bool {
    parts_of(origin).is_some_and(|(scheme, host)| {
        let implied = default_port(scheme);
        implied.is_some() && named.any_is(&host, implied)
    })
}

/// Whether two origins are the same, in whatever writing.
fn is_same(allowed: &str, origin: &str) -> bool {
    let allowed = allowed.trim_end_matches('/');
    allowed.eq_ignore_ascii_case(origin)
        || parts_of(allowed).zip(parts_of(origin)).is_some_and(|((scheme, host), (other_scheme, other_host))| {
            scheme.eq_ignore_ascii_case(other_scheme) && host.is(&other_host, default_port(scheme))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, headers: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        origins.allow(&parts.headers, &Named::by(&parts).unwrap())
    }

    #[test]
    fn pages_of_the_same_host_pass() {
        let allows = |headers: &[_]| allows(&Origins::default(), headers);
        assert!(allows(&[("host", "example.org:5000")]), "no page");
        for (host, origin) in [
            ("example.org:5000", "http://example.org:5000"),
            ("EXAMPLE.org", "https://example.org"),
            ("example.org:443", "https://example.org"),
            ("example.org:80", "http://example.org"),
            ("example.org", "http://example.org:80"),
            ("[::1]:80", "http://[::1]"),
        ] {
            assert!(allows(&[("host", host), ("origin", origin)]), "{origin} at {host}");
        }
        for (host, origin) in [
            ("example.org:5000", "http://example.org"),
            ("example.org", "https://example.org:8443"),
            ("example.org:443", "http://example.org"),
            ("example.org:80", "https://example.org"),
            ("example.org", "https://evil.example"),
            ("example.org", "https://example.org.evil"),
            ("example.org", "null"),
            ("example.org", ""),
            ("example.org", "example.org"),
            ("example.org", "app://example.org"),
            ("", "http://"),
        ] {
            assert!(!allows(&[("host", host), ("origin", origin)]), "{origin} at {host}");
        }
        let twice = [("host", "example.org"), ("origin", "https://example.org"), ("origin", "https://evil.example")];
        assert!(!allows(&twice));
        for told in [("x-forwarded-host", "example.org:443, inner.example"), ("forwarded", "host=example.org")] {
            assert!(allows(&[("host", "inner:80"), told, ("origin", "https://example.org")]), "{told:?}");
        }
    }

    #[test]
    fn listed_origins_pass_whole() {
        let origins = Origins::list(["https://app.example/", "http://localhost:3000", "tauri://localhost"]);
        let allows = |origin| allows(&origins, &[("host", "api.example"), ("origin", origin)]);
        for origin in ["https://app.example", "https://APP.example:443", "http://localhost:3000", "tauri://localhost"] {
            assert!(allows(origin), "{origin}");
        }
        for origin in ["http://app.example", "https://app.example:444", "https://app.example.evil", "tauri://local"] {
            assert!(!allows(origin), "{origin}");
        }
    }
}
