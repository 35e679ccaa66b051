//! Connection ids and connection tokens (P-NEG-10).
//!
//! A token is not looked up but verified: it holds the connection's id, its version and until when a transport may
//! attach, sealed with the hub's key, and a second time together with the user id. So the node that a transport reaches
//! need not be the one that negotiated, as long as both have the key, and nothing is kept of what is negotiated.
//!
//! In version 0 the id is the token. It is public then, so it opens nothing but what its own node gave out.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use hmac::{Hmac, KeyInit, Mac};
use hub_core::ConnectionId;
use hub_core::backplane::NodeId;
use sha2::Sha256;

use crate::lock;

const ID_BYTES: usize = 16;
/// Id, version, milliseconds since 1970. The id comes first, so that a token that serves as an id tells the node too.
const SIGNED_BYTES: usize = 1 + ID_BYTES + 8;
/// Of each of the two seals. To guess one takes 2^63 requests within the token's lifetime.
const SEAL_BYTES: usize = 8;

#[derive(Debug)]
pub(crate) struct Tokens {
    keys: RwLock<Keys>,
    own_key: [u8; 32],
    node: NodeId,
    lifetime: Duration,
    /// Ids that came with a token: attached, or ended so recently that the token would still be good.
    used: DashMap<ConnectionId, Use>,
    ended: Mutex<VecDeque<(SystemTime, ConnectionId)>>,
}

/// What tokens are signed with. Padded to a block of the hash, as HMAC does with short keys.
struct Keys {
    current: [u8; 64],
    /// What they were signed with before the nodes agreed on another.
    previous: Option<[u8; 64]>,
    /// The application chose the key: what the nodes agree on is of no use.
    is_fixed: bool,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Attached,
    Ended,
}

impl Use {
    fn refused(self) -> Refused {
        match self {
            Self::Attached => Refused::InUse,
            Self::Ended => Refused::Unknown,
        }
    }
}

/// What a token of this hub says.
struct Verified {
    id: ConnectionId,
    expires_at: SystemTime,
    is_the_users: bool,
}

/// Why a token gives no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not a token of this hub, too old, or of a connection that has ended.
    Unknown,
    /// Another transport has attached with it.
    InUse,
    /// Somebody else negotiated it (P-AUTH-11).
    OtherUser,
}

/// What a negotiation hands out.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) id: ConnectionId,
    pub(crate) token: String,
}

/// The right to run a negotiated connection, held for as long as it lives.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) id: ConnectionId,
    /// Until when the token would be accepted, if it has one.
    expires_at: Option<SystemTime>,
}

impl Tokens {
    /// Signs with the key that the application chose, or a random one, for the node that the backplane named.
    pub(crate) fn new(lifetime: Duration, key: Option<[u8; 32]>, node: Option<NodeId>) -> Self {
        let own_key = key.unwrap_or_else(random);
        Self {
            keys: RwLock::new(Keys { current: pad(own_key), previous: None, is_fixed: key.is_some() }),
            own_key,
            node: node.unwrap_or_else(|| NodeId::new(random())),
            lifetime,
            used: DashMap::new(),
            ended: Mutex::default(),
        }
    }

    /// What this node proposes to share.
    pub(crate) fn own_key(&self) -> [u8; 32] {
        self.own_key
    }

    /// Signs with the key that the nodes agreed on. What was signed before stays good for as long as it would have.
    pub(crate) fn share_key(&self, key: [u8; 32]) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let key = pad(key);
        if !keys.is_fixed && keys.current != key {
            keys.previous = Some(keys.current);
            keys.current = key;
        }
    }

    /// A new id and token. In version 0 the id is the token.
    pub(crate) fn issue(&self, version: i64, user: Option<&str>) -> Issued {
        let (bytes, id) = self.new_id();
        let expires_at = SystemTime::now() + self.lifetime;
        let mut token = Vec::with_capacity(SIGNED_BYTES + 2 * SEAL_BYTES);
        token.extend_from_slice(&bytes);
        token.push(version as u8);
        token.extend_from_slice(&millis(expires_at).to_be_bytes());
        let seal = seal(&self.keys().current, &token);
        let of_user = with_user(seal.clone(), user).finalize().into_bytes();
        token.extend_from_slice(&seal.finalize().into_bytes()[..SEAL_BYTES]);
        token.extend_from_slice(&of_user[..SEAL_BYTES]);
        let token = URL_SAFE_NO_PAD.encode(token);
        Issued { id: if version == 0 { ConnectionId::from(&token) } else { id }, token }
    }

    /// A connection without negotiation (P-WS-01).
    pub(crate) fn without_token(&self) -> Attached {
        Attached { id: self.new_id().1, expires_at: None }
    }

    /// Attaches a transport to the connection of this token. Where it is refused, nothing has changed.
    pub(crate) fn attach(&self, token: &str, user: Option<&str>) -> Result<Attached, Refused> {
        let token = self.verify(token, user).ok_or(Refused::Unknown)?;
        self.forget_expired();
        match self.used.entry(token.id.clone()) {
            dashmap::Entry::Occupied(entry) => Err(entry.get().refused()),
            dashmap::Entry::Vacant(_) if token.expires_at < SystemTime::now() => Err(Refused::Unknown),
            dashmap::Entry::Vacant(_) if !token.is_the_users => Err(Refused::OtherUser),
            dashmap::Entry::Vacant(entry) => {
                entry.insert(Use::Attached);
                Ok(Attached { id: token.id, expires_at: Some(token.expires_at) })
            }
        }
    }

    /// What became of the connection of this token, without attaching to it.
    pub(crate) fn look_up(&self, token: &str, user: Option<&str>) -> Result<(), Refused> {
        let token = self.verify(token, user).ok_or(Refused::Unknown)?;
        match self.used.get(&token.id).as_deref() {
            Some(used) => Err(used.refused()),
            None if token.expires_at < SystemTime::now() => Err(Refused::Unknown),
            None if !token.is_the_users => Err(Refused::OtherUser),
            None => Ok(()),
        }
    }

    /// The connection has ended: its token gives no other one (P-HTTP-07).
    pub(crate) fn release(&self, attached: Attached) {
        let Some(expires_at) = attached.expires_at else { return };
        if expires_at < SystemTime::now() {
            self.used.remove(&attached.id);
        } else {
            self.used.insert(attached.id.clone(), Use::Ended);
            lock(&self.ended).push_back((expires_at, attached.id));
        }
        self.forget_expired();
    }

    fn verify(&self, token: &str, user: Option<&str>) -> Option<Verified> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == SIGNED_BYTES + 2 * SEAL_BYTES)?;
        let (signed, seals) = bytes.split_at(SIGNED_BYTES);
        let (of_hub, of_user) = seals.split_at(SEAL_BYTES);
        let keys = self.keys();
        let seal = [Some(&keys.current), keys.previous.as_ref()]
            .into_iter()
            .flatten()
            .map(|key| seal(key, signed))
            .find(|seal| seal.clone().verify_truncated_left(of_hub).is_ok())?;
        let id = match signed[ID_BYTES] {
            // Everybody knows it: another node, which does not know that it is in use, must not take it.
            0 if signed[..NodeId::BYTES] != self.node.bytes() => return None,
            0 => ConnectionId::from(token),
            _ => ConnectionId::from(URL_SAFE_NO_PAD.encode(&signed[..ID_BYTES])),
        };
        let millis = u64::from_be_bytes(signed[1 + ID_BYTES..].try_into().ok()?);
        Some(Verified {
            id,
            expires_at: UNIX_EPOCH + Duration::from_millis(millis),
            is_the_users: with_user(seal, user).verify_truncated_left(of_user).is_ok(),
        })
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self) -> ([u8; ID_BYTES], ConnectionId) {
        let mut bytes: [u8; ID_BYTES] = random();
        bytes[..NodeId::BYTES].copy_from_slice(&self.node.bytes());
        (bytes, ConnectionId::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn forget_expired(&self) {
        let now = SystemTime::now();
        let mut ended = lock(&self.ended);
        while let Some((expires_at, id)) = ended.pop_front() {
            if expires_at >= now {
                ended.push_front((expires_at, id));
                break;
            }
            self.used.remove(&id);
        }
    }
}

/// What shows that this hub made a token.
fn seal(key: &[u8; 64], signed: &[u8]) -> Hmac<Sha256> {
    let mut seal = <Hmac<Sha256> as KeyInit>::new(key.into());
    seal.update(signed);
    seal
}

/// What shows whom it was made for: a token is of use to nobody else (P-AUTH-11).
fn with_user(mut seal: Hmac<Sha256>, user: Option<&str>) -> Hmac<Sha256> {
    seal.update(&[u8::from(user.is_some())]);
    seal.update(user.unwrap_or("").as_bytes());
    seal
}

fn pad(key: [u8; 32]) -> [u8; 64] {
    let mut padded = [0; 64];
    padded[..32].copy_from_slice(&key);
    padded
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Bytes from the system's cryptographic source. Without one no secret can be made, so the process cannot go on.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_for_its_user() {
        let tokens = Tokens::new(Duration::from_secs(15), None, None);
        let issued = tokens.issue(1, Some("ann"));
        assert_eq!(issued.id.len(), 22, "P-NEG-10");
        for user in [Some("bob"), Some(""), None] {
            assert_eq!(tokens.attach(&issued.token, user).unwrap_err(), Refused::OtherUser, "P-AUTH-11");
            assert_eq!(tokens.look_up(&issued.token, user).unwrap_err(), Refused::OtherUser);
        }
        assert_eq!(tokens.attach(&issued.id, Some("ann")).unwrap_err(), Refused::Unknown);
        assert_eq!(tokens.look_up(&issued.token, Some("ann")), Ok(()));
        let attached = tokens.attach(&issued.token, Some("ann")).unwrap();
        assert_eq!(attached.id, issued.id);
        assert_eq!(tokens.attach(&issued.token, Some("ann")).unwrap_err(), Refused::InUse);
        tokens.release(attached);
        assert_eq!(tokens.attach(&issued.token, Some("ann")).unwrap_err(), Refused::Unknown);
        let anonymous = tokens.issue(1, None);
        assert_eq!(tokens.attach(&anonymous.token, Some("ann")).unwrap_err(), Refused::OtherUser);
        assert!(tokens.attach(&anonymous.token, None).is_ok());
    }

    #[test]
    fn what_is_negotiated_only_leaves_nothing_behind_and_what_has_ended_not_for_long() {
        let tokens = Tokens::new(Duration::from_millis(30), None, None);
        let connect = || tokens.attach(&tokens.issue(1, None).token, None);
        for _ in 0..100 {
            tokens.issue(1, None);
        }
        assert!(tokens.used.is_empty());
        // One that came too late on a slow machine is one that leaves nothing.
        (0..100).filter_map(|_| connect().ok()).for_each(|attached| tokens.release(attached));
        let last = SystemTime::now() + Duration::from_millis(31);
        while SystemTime::now() <= last {
            std::thread::yield_now();
        }
        let attached = connect();
        assert_eq!((tokens.used.len(), lock(&tokens.ended).len()), (usize::from(attached.is_ok()), 0));
    }

    #[test]
    fn a_token_expires() {
        let tokens = Tokens::new(Duration::ZERO, None, None);
        let issued = tokens.issue(1, None);
        while SystemTime::now() <= UNIX_EPOCH + Duration::from_millis(millis(SystemTime::now())) {}
        assert_eq!(tokens.attach(&issued.token, None).unwrap_err(), Refused::Unknown);
    }

    #[test]
    fn nodes_that_share_a_key_accept_each_others_tokens() {
        let (one, other) =
            (Tokens::new(Duration::from_secs(15), None, None), Tokens::new(Duration::from_secs(15), None, None));
        let issued = one.issue(1, None);
        assert!(other.attach(&issued.token, None).is_err());
        one.share_key([7; 32]);
        other.share_key([7; 32]);
        assert!(one.attach(&issued.token, None).is_ok(), "signed before");
        let issued = one.issue(1, None);
        assert_eq!(other.attach(&issued.token, None).unwrap().id, issued.id);
        let fixed = Tokens::new(Duration::from_secs(15), Some([9; 32]), None);
        fixed.share_key([7; 32]);
        assert!(fixed.attach(&one.issue(1, None).token, None).is_err());
    }

    #[test]
    fn version_0_has_one_id_for_both_which_no_other_node_takes() {
        let node = |number| Tokens::new(Duration::from_secs(15), Some([9; 32]), Some(NodeId::new([number; 6])));
        let (tokens, other) = (node(1), node(2));
        let issued = tokens.issue(0, None);
        assert_eq!((issued.id.as_str(), issued.id.len()), (&*issued.token, 55));
        assert_eq!(other.attach(&issued.token, None).unwrap_err(), Refused::Unknown);
        assert_eq!(other.look_up(&issued.token, None).unwrap_err(), Refused::Unknown);
        assert_eq!(tokens.attach(&issued.token, None).unwrap().id, issued.id);
        assert!(other.attach(&tokens.issue(1, None).token, None).is_ok(), "no one knows that one");
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let tokens = Tokens::new(Duration::from_secs(15), None, None);
        let issued = tokens.issue(1, None);
        let bytes = URL_SAFE_NO_PAD.decode(&issued.token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(tokens.attach(&URL_SAFE_NO_PAD.encode(changed), None).is_err(), "bit {bit}");
        }
    }
}
