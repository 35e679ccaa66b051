//! Where access tokens come from.

use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::HeaderValue;
use hub_core::InvalidOption;
use hub_core::dispatch::BoxFuture;

use crate::error::ConnectError;

type Provide = dyn Fn() -> BoxFuture<Result<String, Box<dyn Error + Send + Sync>>> + Send + Sync;

/// The source of access tokens.
#[derive(Clone)]
pub(crate) enum Tokens {
    None,
    Fixed(String),
    Provider(Arc<Provide>),
}

impl Tokens {
    pub(crate) fn provider<F, T, E>(provide: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<String>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Provider(Arc::new(move || {
            let provided = provide();
            Box::pin(async move { provided.await.map(Into::into).map_err(Into::into) })
        }))
    }

    /// # Errors
    /// When the token is one that no header can have.
    pub(crate) fn check(&self) -> Result<(), InvalidOption> {
        match self {
            // Without the token itself (P-AUTH-03).
            Self::Fixed(token) if HeaderValue::try_from(token).is_err() => {
                Err(InvalidOption::new("access_token", "`..`", "a text without control characters"))
            }
            _ => Ok(()),
        }
    }

    /// A token for the next request (P-AUTH-05).
    pub(crate) async fn get(&self) -> Result<Option<String>, ConnectError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            // A provider may panic before its first await, too.
            Self::Provider(provide) => match AssertUnwindSafe(async { provide().await }).catch_unwind().await {
                Ok(Ok(token)) => Ok(Some(token).filter(|token| !token.is_empty())),
                Ok(Err(error)) => Err(ConnectError::Token(error.to_string())),
                Err(_) => Err(ConnectError::Token("its provider panicked".to_owned())),
            },
        }
    }

    /// Whether asking again may give another token.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self, Self::Provider(_))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token itself (P-AUTH-03).
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(..)",
            Self::Provider(_) => "Provider(..)",
        })
    }
}
