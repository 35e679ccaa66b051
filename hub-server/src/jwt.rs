//! Callers identified by a JSON Web Token (RFC 7519), from the `Authorization` header or the query.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header;
use http::request::Parts;
use hub_core::Identity;
pub use jsonwebtoken;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};

use crate::identify::Refusal;
use crate::request::query_parameter;

/// The end of the year 9999, in seconds since 1970.
const FOREVER: f64 = 253_402_300_800.0;

/// Checks bearer tokens, for [`HubRoute::identify`](crate::HubRoute::identify).
///
/// A request without a token is anonymous unless [`required`](Self::required) was called; one with a token that is
/// refused is answered 401, and the reason is logged.
///
/// | claim | refused | what becomes of it |
/// | --- | --- | --- |
/// | `exp` | when it is missing, no number, or not after now | the expiry of the [`Identity`], with its fraction; one after the year 9999 is none |
/// | `nbf` | when it is no number, or after now | |
/// | `aud` | when it names none of [`audience`](Self::audience), or anybody without that (RFC 7519, 4.1.3) | a claim |
/// | `iss` | when it is none of [`issuer`](Self::issuer); without that, never | a claim |
/// | `sub` | when it is empty, or neither a text nor a whole number | the user id; a caller without one is anonymous |
/// | `role`, `roles` | never | roles |
/// | all others | never | claims, if they are texts, numbers, booleans, or lists of those |
///
/// ```
/// # use hub_core::{Result, Untyped};
/// # use hub_server::{Context, Hub, HubRoute, hub, jwt::JwtBearer};
/// # struct Chat;
/// # impl Hub for Chat { type Client = Untyped; }
/// # #[hub] impl Chat { #[method] async fn ping(&self) {} }
/// let tokens = JwtBearer::hs256(b"a secret of at least 32 bytes....").audience("chat").accept_query_token().required();
/// let chat = HubRoute::new(|_| Chat).identify(tokens.identify());
/// ```
#[derive(Clone)]
pub struct JwtBearer {
    key: Arc<DecodingKey>,
    /// All but the times, which are checked here: what is checked is what a connection lives by.
    validation: Arc<Validation>,
    /// Whether `exp` counts.
    expires: bool,
    leeway: Duration,
    query: bool,
    required: bool,
}

impl JwtBearer {
    /// Tokens signed with a shared secret by HMAC-SHA256. No [leeway](Self::leeway) is given on the times.
    pub fn hs256(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        Self::new(DecodingKey::from_secret(secret), validation)
    }

    /// Tokens of any kind that the `jsonwebtoken` crate can check.
    ///
    /// Its `leeway`, 60 s by default, and `reject_tokens_expiring_in_less_than` move the expiry of the identity as they
    /// move that of the token. Without `validate_exp` there is no expiry. `nbf` is always checked (RFC 7519, 4.1.5).
    pub fn new(key: DecodingKey, mut validation: Validation) -> Self {
        let expires = std::mem::replace(&mut validation.validate_exp, false);
        validation.validate_nbf = false;
        let leeway = Duration::from_secs(validation.leeway);
        Self { key: Arc::new(key), validation: Arc::new(validation), expires, leeway, query: false, required: false }
    }

    /// Takes tokens this long before `nbf` and after `exp`, which moves the expiry of the identity, too: for issuers whose
    /// clock is not quite this one's. A minute is plenty.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Takes only tokens made for this audience, or for another one that was given. Once called, `aud` must be there.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        let validation = Arc::make_mut(&mut self.validation);
        validation.validate_aud = true;
        validation.aud.get_or_insert_default().insert(audience.into());
        validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    /// Takes only tokens made by this issuer, or by another one that was given. Once called, `iss` must be there.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        let validation = Arc::make_mut(&mut self.validation);
        validation.iss.get_or_insert_default().insert(issuer.into());
        validation.required_spec_claims.insert("iss".to_owned());
        self
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
            Some(token) => self
                .read(&token, SystemTime::now())
                .map_err(|why| Refusal::unauthorized(format!("the token is refused: {why}"))),
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

    fn read(&self, token: &str, now: SystemTime) -> Result<Identity, String> {
        let claims =
            decode::<Map<String, Value>>(token, &self.key, &self.validation).map_err(|error| error.to_string())?;
        let claims = claims.claims;
        let leeway = self.leeway.as_secs_f64();
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if seconds(&claims, "nbf")?.is_some_and(|from| from > since_1970 + leeway) {
            return Err("nbf is still to come".to_owned());
        }
        let mut identity = caller(&claims)?;
        if let Some(exp) = seconds(&claims, "exp")?.filter(|_| self.expires) {
            let until = exp + leeway - self.validation.reject_tokens_expiring_in_less_than as f64;
            if until < FOREVER {
                // What is before 1970 is past, too.
                let until = UNIX_EPOCH + Duration::try_from_secs_f64(until).unwrap_or_default();
                if now >= until {
                    return Err("exp is past".to_owned());
                }
                identity = identity.expiring_at(until);
            }
        }
        Ok(identity)
    }
}

/// A time in a claim, which may have a fraction (RFC 7519, 2).
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, String> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("{name} is no number of seconds")),
    }
}

/// All but the expiry.
fn caller(claims: &Map<String, Value>) -> Result<Identity, String> {
    let mut identity = match claims.get("sub") {
        None | Some(Value::Null) => Identity::anonymous(),
        Some(Value::String(user)) if !user.is_empty() => Identity::user(user),
        // Many issuers put the number of a row there.
        Some(Value::Number(user)) if user.is_i64() || user.is_u64() => Identity::user(user.to_string()),
        Some(_) => return Err("sub is neither a text nor a whole number, or is empty".to_owned()),
    };
    for (name, value) in claims.iter().filter(|(name, _)| !matches!(name.as_str(), "sub" | "exp" | "nbf")) {
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
    Ok(identity)
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

    fn read(bearer: &JwtBearer, claims: &Value) -> Result<Identity, String> {
        bearer.read(&token(claims), UNIX_EPOCH + Duration::from_secs(1000))
    }

    #[test]
    fn what_is_checked_is_what_the_connection_lives_by() {
        let bearer = JwtBearer::hs256(b"secret");
        let until = |exp: Value| read(&bearer, &json!({ "sub": "ann", "exp": exp })).map(|ann| ann.expires_at());
        let at = |millis| Ok(Some(UNIX_EPOCH + Duration::from_millis(millis)));
        assert_eq!(until(json!(1001)), at(1_001_000));
        assert_eq!(until(json!(1000.25)), at(1_000_250));
        for past in [json!(1000), json!(999.9), json!(0), json!(-0.5)] {
            assert!(until(past.clone()).is_err(), "{past}: from that moment on (RFC 7519, 4.1.4)");
        }
        for never in [json!(1_u64 << 63), json!(u64::MAX), json!(1e15)] {
            assert_eq!(until(never.clone()), Ok(None), "{never}");
        }
        for nonsense in [json!("soon"), json!("1001"), json!([1001]), json!(null), json!(1e300), json!(-5)] {
            assert!(until(nonsense.clone()).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_token_is_not_good_before_its_time() {
        // RFC 7519, 4.1.5
        let bearer = JwtBearer::hs256(b"secret");
        let from = |nbf: Value| read(&bearer, &json!({ "sub": "ann", "exp": 2000, "nbf": nbf })).is_ok();
        assert!(from(json!(1000)) && from(json!(999.5)) && from(json!(-1)) && from(json!(null)));
        assert!(!from(json!(1000.5)) && !from(json!(1001)) && !from(json!(u64::MAX)) && !from(json!("1000")));
    }

    #[test]
    fn leeway_moves_both_times() {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 10;
        validation.reject_tokens_expiring_in_less_than = 3;
        for nbf in [1000, 1001] {
            let bearer = JwtBearer::hs256(b"secret").leeway(Duration::from_millis(500));
            let ann = read(&bearer, &json!({ "sub": "ann", "exp": 1000, "nbf": nbf }));
            let until = Some(UNIX_EPOCH + Duration::from_millis(1_000_500));
            assert_eq!(ann.ok().map(|ann| ann.expires_at()), (nbf == 1000).then_some(until));
        }
        let bearer = JwtBearer::new(DecodingKey::from_secret(b"secret"), validation.clone());
        let ann = read(&bearer, &json!({ "sub": "ann", "exp": 995, "nbf": 1010 })).unwrap();
        assert_eq!(ann.expires_at(), Some(UNIX_EPOCH + Duration::from_secs(1002)));
        assert!(read(&bearer, &json!({ "sub": "ann", "exp": 993 })).is_err());
        assert!(read(&bearer, &json!({ "sub": "ann", "exp": 2000, "nbf": 1010.5 })).is_err());

        validation.validate_exp = false;
        let bearer = JwtBearer::new(DecodingKey::from_secret(b"secret"), validation);
        assert_eq!(read(&bearer, &json!({ "sub": "ann", "exp": 1 })).unwrap().expires_at(), None);
    }

    #[test]
    fn the_subject_is_the_user() {
        let bearer = JwtBearer::hs256(b"secret");
        let user = |sub: Value| {
            read(&bearer, &json!({ "sub": sub, "exp": 2000 })).map(|caller| caller.user_id().map(str::to_owned))
        };
        assert_eq!(user(json!("ann")), Ok(Some("ann".to_owned())));
        assert_eq!(user(json!(42)), Ok(Some("42".to_owned())));
        assert_eq!(user(json!(u64::MAX)), Ok(Some(u64::MAX.to_string())));
        assert_eq!(user(json!(null)), Ok(None));
        for nonsense in [json!(""), json!(4.5), json!(1e20), json!(true), json!(["ann"]), json!({})] {
            assert!(user(nonsense.clone()).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn audience_and_issuer() {
        let claims = |more: Value| {
            let mut claims = json!({ "sub": "ann", "exp": 2000 });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            claims
        };
        let any = JwtBearer::hs256(b"secret");
        assert!(read(&any, &claims(json!({ "iss": "anybody" }))).is_ok());
        assert!(read(&any, &claims(json!({ "aud": "mail" }))).is_err(), "made for somebody else (RFC 7519, 4.1.3)");

        let chat = any.audience("chat").audience("talk").issuer("https://id.example");
        for (good, more) in [
            (true, json!({ "aud": "chat", "iss": "https://id.example" })),
            (true, json!({ "aud": ["mail", "talk"], "iss": "https://id.example" })),
            (false, json!({ "aud": "mail", "iss": "https://id.example" })),
            (false, json!({ "aud": [], "iss": "https://id.example" })),
            (false, json!({ "aud": 42, "iss": "https://id.example" })),
            (false, json!({ "iss": "https://id.example" })),
            (false, json!({ "aud": "chat", "iss": "https://id.example.evil" })),
            (false, json!({ "aud": "chat", "iss": { "x": 1 } })),
            (false, json!({ "aud": "chat" })),
        ] {
            assert_eq!(read(&chat, &claims(more.clone())).is_ok(), good, "{more}");
        }
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
