//! `POST /negotiate`: which transports there are, and the id and token of a connection to come (protocol.md section 15).

use hub_core::TransferFormat;
use hub_core::negotiate::{AvailableTransport, MAX_VERSION, NegotiateResponse};

use crate::hub::HubState;
use crate::request::joined_query_parameters;

/// The answer to a negotiation by this query, of this user.
pub(crate) fn negotiate(hub: &HubState, query: &str, user: Option<&str>) -> NegotiateResponse {
    let version = match requested_version(query, hub.options().minimum_protocol_version) {
        Ok(version) => version,
        Err(error) => return NegotiateResponse { error: Some(error), ..NegotiateResponse::default() },
    };
    let issued = hub.tokens.issue(version, user);
    NegotiateResponse {
        negotiate_version: Some(version),
        connection_id: Some(issued.id.to_string()),
        connection_token: (version > 0).then_some(issued.token),
        available_transports: vec![AvailableTransport {
            transport: "WebSockets".to_owned(),
            transfer_formats: vec![TransferFormat::Text, TransferFormat::Binary],
        }],
        ..NegotiateResponse::default()
    }
}

/// The version to answer in, or the text of the error (P-NEG-03, P-NEG-08).
fn requested_version(query: &str, minimum: i64) -> Result<i64, String> {
    let requested = match joined_query_parameters(query, "negotiateVersion") {
        None => 0_i32,
        Some(text) => {
            text.trim().parse::<i32>().map_err(|_| "The client requested a non-integer protocol version.".to_owned())?
        }
    };
    let requested = i64::from(requested);
    if requested < minimum {
        return Err(format!(
            "The client requested version '{requested}', but the server does not support this version."
        ));
    }
    Ok(requested.min(MAX_VERSION))
}

#[cfg(test)]
mod tests {
    use super::requested_version;

    #[test]
    fn versions() {
        // P-NEG-03, P-NEG-08
        assert_eq!(requested_version("", 0), Ok(0));
        assert_eq!(requested_version("negotiateVersion=1", 0), Ok(1));
        assert_eq!(requested_version("a=b&NEGOTIATEVERSION=7", 0), Ok(1));
        assert_eq!(
            requested_version("negotiateVersion=0", 1).unwrap_err(),
            "The client requested version '0', but the server does not support this version."
        );
        for text in ["x", "1.5", "", "99999999999", "1&NegotiateVersion=1"] {
            assert_eq!(
                requested_version(&format!("negotiateVersion={text}"), 0).unwrap_err(),
                "The client requested a non-integer protocol version."
            );
        }
    }
}
