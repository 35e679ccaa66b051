//! Signed tokens for tests.

use std::time::{SystemTime, UNIX_EPOCH};

use hub_server::jwt::JwtBearer;
use hub_server::jwt::jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

/// No secret: anybody gets a token at `/token`. All nodes have it in common.
const SECRET: &[u8] = b"what the conformance hub signs by";

pub(crate) fn bearer() -> JwtBearer {
    JwtBearer::hs256(SECRET).accept_query_token()
}

/// A token that ends in `ttl` seconds, or has ended that long ago.
pub(crate) fn issue(user: &str, role: Option<&str>, ttl: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut claims = json!({ "sub": user, "exp": now.saturating_add_signed(ttl) });
    if let Some(role) = role {
        claims["role"] = role.into();
    }
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap_or_default()
}
