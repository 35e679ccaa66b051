//! The first message each way, at both ends (protocol.md section 2).

use super::{Ending, Phase, Role, Session};
use crate::framing::Delimiter;
use crate::handshake::{HandshakeError, HandshakeRequest, HandshakeResponse};
use crate::message::Message;

/// The largest response that a client accepts, in bytes with its separator: as much as servers accept by default
/// (P-LIM-01). Responses are `{}`, or one error of a few words (P-HS-02); what comes behind them does not count.
const RESPONSE_LIMIT: usize = 32 * 1024;

impl Session {
    /// Whether the handshake is done.
    pub(super) fn handshake(&mut self) -> bool {
        let limit = if self.role == Role::Server { self.options.receive_limit } else { RESPONSE_LIMIT };
        let text = match self.incoming.next_frame(Delimiter::Separator, limit) {
            Ok(Some(text)) => text,
            Ok(None) => return false,
            Err(error) => {
                self.fail(error);
                return false;
            }
        };
        if self.role == Role::Server {
            let resolved = HandshakeRequest::parse(&text)
                .and_then(|request| request.resolve(&self.options.codecs, self.binary_transport));
            match resolved {
                Ok(codec) => self.codec = Some(codec),
                Err(error) => {
                    self.fail_handshake(error);
                    return false;
                }
            }
            HandshakeResponse::write(None, &mut self.out);
        } else {
            match HandshakeResponse::parse(&text) {
                Ok(HandshakeResponse { error: None }) => {}
                Ok(HandshakeResponse { error: Some(error) }) => {
                    self.end(Ending::HandshakeRefused(error));
                    return false;
                }
                Err(error) => {
                    self.end(Ending::Protocol(error));
                    return false;
                }
            }
        }
        self.phase = Phase::Open;
        self.keep_alive.opened(&self.options, self.now);
        if self.role == Role::Client && self.options.keep_alive.is_some() {
            // It arms the server's timeout (P-HS-19).
            self.write(&Message::Ping);
        }
        true
    }

    pub(super) fn fail_handshake(&mut self, error: HandshakeError) {
        if self.role == Role::Server {
            HandshakeResponse::write(Some(&error.wire_text(self.options.detailed_errors)), &mut self.out);
            // The protocol is not agreed: the answer is text (P-HS-16).
            self.codec = None;
        }
        self.end(Ending::HandshakeFailed(error));
    }
}
