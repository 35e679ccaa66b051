//! Who is calling.

use std::time::SystemTime;

/// Who a connection belongs to, as the server's `identify` function found out.
///
/// ```
/// use hub_core::Identity;
///
/// let ann = Identity::user("ann").with_role("moderator").with_claim("tenant", "north");
/// assert_eq!(ann.user_id(), Some("ann"));
/// assert!(ann.has_role("moderator"));
/// assert_eq!(ann.claim("tenant"), Some("north"));
/// assert_eq!(Identity::user(""), Identity::anonymous());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    user_id: Option<Box<str>>,
    claims: Vec<(Box<str>, Box<str>)>,
    expires_at: Option<SystemTime>,
}

impl Identity {
    /// A caller who did not say who they are.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A caller with this user id (P-AUTH-06). An empty one is none: the caller is anonymous.
    pub fn user(id: impl Into<String>) -> Self {
        let id = id.into();
        Self { user_id: (!id.is_empty()).then(|| id.into()), ..Self::default() }
    }

    /// Adds something that is known of the caller. A name may come several times.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.claims.push((name.into().into(), value.into().into()));
        self
    }

    /// Adds a role: a claim of the name `role`.
    #[must_use]
    pub fn with_role(self, role: impl Into<String>) -> Self {
        self.with_claim("role", role)
    }

    /// Sets when this stops being true: a connection may be closed then (P-AUTH-09).
    #[must_use]
    pub fn expiring_at(mut self, at: SystemTime) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The user id, or `None` for an anonymous caller.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// The first claim of this name.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims().find(|(claim, _)| *claim == name).map(|(_, value)| value)
    }

    /// All claims, in the order in which they were added.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.claims.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether the caller has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.claims().any(|claim| claim == ("role", role))
    }

    /// When this stops being true, if it does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

/// The caller of a method, as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The connection that calls.
    pub connection_id: &'a str,
    /// Who it belongs to.
    pub identity: &'a Identity,
}

impl Caller<'_> {
    /// The user id, or `None` for an anonymous caller.
    pub fn user_id(&self) -> Option<&str> {
        self.identity.user_id()
    }

    /// Whether the caller has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.identity.has_role(role)
    }
}
