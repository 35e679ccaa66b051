//! Signed tokens for tests. The key is made anew with each process.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use hub_server::jwt::JwtBearer;
use hub_server::jwt::jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

static SECRET: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).expect("the system has a source of randomness");
    secret
});

pub(crate) fn bearer() -> JwtBearer {
    JwtBearer::hs256(&*SECRET).accept_query_token()
}

/// A token that ends in `ttl` seconds, or has ended that long ago.
pub(crate) fn issue(user: &str, role: Option<&str>, ttl: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut claims = json!({ "sub": user, "exp": now.saturating_add_signed(ttl) });
    if let Some(role) = role {
        claims["role"] = role.into();
    }
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(&*SECRET)).unwrap_or_default()
}
