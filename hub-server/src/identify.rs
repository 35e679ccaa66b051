//! Who a request comes from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use hub_core::Identity;

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
