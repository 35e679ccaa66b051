//! What precedes a connection, over HTTP: which transports there are, and under which id (protocol.md section 15).

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::TransferFormat;

/// The highest version of the negotiation (P-NEG-03).
pub const MAX_VERSION: i64 = 1;

/// The answer to a negotiation: a connection, a redirect, or an error.
///
/// It is read as later versions and other servers may write it: null is as good as absent (P-DIV-02), and members,
/// transports and transfer formats that are unknown are passed over (P-GEN-04, P-NEG-18).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NegotiateResponse {
    /// Where to negotiate instead (P-NEG-09).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The token to use there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// The version that the server speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negotiate_version: Option<i64>,
    /// The public id of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// The secret under which transports attach; from version 1 on (P-NEG-06).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_token: Option<String>,
    /// In the order in which the server prefers them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known")]
    pub available_transports: Vec<AvailableTransport>,
    /// Why not (P-NEG-08).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A transport that the server offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableTransport {
    /// `WebSockets`, `ServerSentEvents` or `LongPolling`; clients skip what they do not know (P-NEG-18).
    pub transport: String,
    /// What it carries.
    #[serde(default, deserialize_with = "known")]
    pub transfer_formats: Vec<TransferFormat>,
}

/// Reads those items of a list that are a `T`.
fn known<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, bound = "T: DeserializeOwned")]
    enum Item<T> {
        Known(T),
        Unknown(IgnoredAny),
    }

    let items = Option::<Vec<Item<T>>>::deserialize(deserializer)?.unwrap_or_default();
    let known = items.into_iter().filter_map(|item| match item {
        Item::Known(item) => Some(item),
        Item::Unknown(_) => None,
    });
    Ok(known.collect())
}
