//! Callers identified by a JSON Web Token (RFC 7519), from the `Authorization` header or the query.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::header;
use http::request::Parts;
use hub_core::Identity;
pub use jsonwebtoken;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};

use crate::identify::Refusal;
use crate::request::query_parameter;

/// Checks bearer tokens, for [`HubRoute::identify`](crate::HubRoute::identify).
///
/// The claim `sub` becomes the user id, `role` and `roles` become roles, `exp` the expiry, and every other claim that is
/// a text, a number or a boolean becomes a claim of the [`Identity`]. A request without a token is anonymous unless
/// [`required`](Self::required) was called; one with a bad or expired token is answered 401.
///
/// ```
/// # use hub_core::{Result, Untyped};
/// # use hub_server::{Context, Hub, HubRoute, hub, jwt::JwtBearer};
/// # struct Chat;
/// # impl Hub for Chat { type Client = Untyped; }
/// # #[hub] impl Chat { #[method] async fn ping(&self) {} }
/// let tokens = JwtBearer::hs256(b"a secret of at least 32 bytes....").accept_query_token().required();
/// let chat = HubRoute::new(|_| Chat).identify(tokens.identify());
/// ```
#[derive(Clone)]
pub struct JwtBearer {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
    query: bool,
    required: bool,
}

impl JwtBearer {
    /// Tokens signed with a shared secret by HMAC-SHA256. No leeway is given on the expiry.
    pub fn hs256(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_aud = false;
        Self::new(DecodingKey::from_secret(secret), validation)
    }

    /// Tokens of any kind that the `jsonwebtoken` crate can check.
    pub fn new(key: DecodingKey, validation: Validation) -> Self {
        Self { key: Arc::new(key), validation: Arc::new(validation), query: false, required: false }
    }

    /// Takes the query parameter `access_token` as well: browsers cannot set a header on a WebSocket (P-AUTH-02). See to
    /// it that no log of requests shows it.
    #[must_use]
    pub fn accept_query_token(mut self) -> Self {
        self.query = true;
        self
    }

    /// Answers 401 to requests without a token.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The function for [`HubRoute::identify`](crate::HubRoute::identify).
    pub fn identify(self) -> impl Fn(Parts) -> Ready<Result<Identity, Refusal>> + Send + Sync + 'static {
        move |parts| ready(self.check(&parts))
    }

    fn check(&self, parts: &Parts) -> Result<Identity, Refusal> {
        match self.token(parts) {
            Some(token) => {
                let claims = decode::<Map<String, Value>>(&token, &self.key, &self.validation)
                    .map_err(|error| Refusal::unauthorized(format!("the token is refused: {error}")))?;
                Ok(identity(&claims.claims))
            }
            None if self.required => Err(Refusal::unauthorized("there is no token")),
            None => Ok(Identity::anonymous()),
        }
    }

    fn token(&self, parts: &Parts) -> Option<String> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some((scheme, token)) = header.and_then(|value| value.split_once(' '))
            && scheme.eq_ignore_ascii_case("bearer")
        {
            return Some(token.trim().to_owned());
        }
        let query = parts.uri.query().filter(|_| self.query)?;
        query_parameter(query, "access_token").filter(|token| !token.is_empty())
    }
}

fn identity(claims: &Map<String, Value>) -> Identity {
    let mut identity = match claims.get("sub").and_then(Value::as_str) {
        Some(user) => Identity::user(user),
        None => Identity::anonymous(),
    };
    if let Some(seconds) = claims.get("exp").and_then(Value::as_u64) {
        identity = identity.expiring_at(UNIX_EPOCH + Duration::from_secs(seconds));
    }
    for (name, value) in claims.iter().filter(|(name, _)| !matches!(name.as_str(), "sub" | "exp")) {
        let name = if name == "roles" { "role" } else { name };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            match value {
                Value::String(text) => identity = identity.with_claim(name, text),
                Value::Number(_) | Value::Bool(_) => identity = identity.with_claim(name, value.to_string()),
                _ => {}
            }
        }
    }
    identity
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn token(claims: &Value) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(b"secret")).unwrap()
    }

    #[test]
    fn a_token_says_who_calls() {
        let far = 4_000_000_000_u64;
        let token = token(&json!({"sub": "ann", "exp": far, "roles": ["admin", "host"], "level": 3, "x": {"y": 1}}));
        let bearer = JwtBearer::hs256(b"secret");
        let ann = bearer.check(&parts("/", Some(&format!("bearer {token}")))).unwrap();
        assert_eq!(ann.user_id(), Some("ann"));
        assert!(ann.has_role("admin") && ann.has_role("host"));
        assert_eq!((ann.claim("level"), ann.claim("x")), (Some("3"), None));
        assert_eq!(ann.expires_at(), Some(UNIX_EPOCH + Duration::from_secs(far)));
    }

    #[test]
    fn the_query_counts_only_when_asked_for() {
        let token = token(&json!({"sub": "ann", "exp": 4_000_000_000_u64}));
        let request = parts(&format!("/chat?id=1&access_token={token}"), None);
        let bearer = JwtBearer::hs256(b"secret");
        assert_eq!(bearer.check(&request).unwrap().user_id(), None);
        assert_eq!(bearer.clone().required().check(&request).unwrap_err().status(), 401);
        assert_eq!(bearer.accept_query_token().check(&request).unwrap().user_id(), Some("ann"));
    }

    #[test]
    fn bad_tokens_are_refused() {
        let bearer = JwtBearer::hs256(b"secret");
        let old = token(&json!({"sub": "ann", "exp": 1}));
        let endless = token(&json!({"sub": "ann"}));
        let foreign = encode(
            &Header::new(Algorithm::HS256),
            &json!({"sub": "ann", "exp": 4_000_000_000_u64}),
            &EncodingKey::from_secret(b"another"),
        );
        for token in [old, endless, foreign.unwrap(), "nonsense".to_owned()] {
            let refusal = bearer.check(&parts("/", Some(&format!("Bearer {token}")))).unwrap_err();
            assert_eq!(refusal.status(), 401, "{token}");
        }
    }
}
