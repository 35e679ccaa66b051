//! Where access tokens come from.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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

    /// A token for the next request (P-AUTH-05).
    pub(crate) async fn get(&self) -> Result<Option<String>, ConnectError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            Self::Provider(provide) => match provide().await {
                Ok(token) => Ok(Some(token).filter(|token| !token.is_empty())),
                Err(error) => Err(ConnectError::Token(error.to_string())),
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
