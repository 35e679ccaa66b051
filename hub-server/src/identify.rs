//! Who a request comes from, and whether it may come from there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hub_core::Identity;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    /// 401: it is not known who asks. The reason is for the server's log.
    pub fn unauthorized(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, reason: reason.into() }
    }

    /// 403: whoever asks may not. The reason is for the server's log.
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, reason: reason.into() }
    }

    /// The status that answers the request.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, for the log.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl std::error::Error for Refusal {}

type Answer = Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send>>;

/// Finds out who a request comes from; asked for the negotiation and for the transport (P-AUTH-01).
#[derive(Clone)]
pub(crate) struct Identify(Arc<dyn Fn(Parts) -> Answer + Send + Sync>);

impl Identify {
    pub(crate) fn new<F, A>(identify: F) -> Self
    where
        F: Fn(Parts) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        Self(Arc::new(move |parts| Box::pin(identify(parts))))
    }

    pub(crate) async fn ask(&self, parts: Parts) -> Result<Identity, Refusal> {
        (self.0)(parts).await
    }
}

/// The origins of web pages that may use a hub. Requests without an `Origin` header do not come from a page and pass.
///
/// By default a page may use the hubs of its own host. WebSockets know no same-origin policy, so without this check any
/// page on the web could act as a user who has a cookie here.
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

    /// Pages of these origins, such as `https://example.org`, and of the same host.
    pub fn list<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        Self::matching(move |origin| origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    }

    /// Pages whose origin satisfies a predicate, and of the same host.
    pub fn matching(predicate: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Matching(Arc::new(predicate)))
    }

    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        // A proxy may have put its own name into `Host`. No page can set either header.
        let same_host = [header::HOST, HeaderName::from_static("x-forwarded-host")]
            .iter()
            .any(|name| headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(host.as_bytes())));
        same_host || self.allow_foreign(origin)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn pages_of_the_same_host_pass() {
        let origins = Origins::default();
        assert!(origins.allow(&headers(&[("host", "example.org:5000")])), "no page");
        assert!(origins.allow(&headers(&[("host", "example.org:5000"), ("origin", "http://example.org:5000")])));
        assert!(!origins.allow(&headers(&[("host", "example.org:5000"), ("origin", "http://example.org")])));
        assert!(!origins.allow(&headers(&[("host", "example.org"), ("origin", "https://evil.example")])));
        assert!(!origins.allow(&headers(&[("host", "example.org"), ("origin", "null")])));
        let proxied = [("host", "inner:80"), ("x-forwarded-host", "example.org"), ("origin", "https://example.org")];
        assert!(origins.allow(&headers(&proxied)));
    }

    #[test]
    fn listed_origins_pass_whole() {
        let origins = Origins::list(["https://app.example"]);
        assert!(origins.allow(&headers(&[("host", "api.example"), ("origin", "https://app.example")])));
        assert!(!origins.allow(&headers(&[("host", "api.example"), ("origin", "http://app.example")])));
        assert!(!origins.allow(&headers(&[("host", "api.example"), ("origin", "https://app.example.evil")])));
    }
}
