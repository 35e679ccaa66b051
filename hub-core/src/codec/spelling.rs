//! Which names of members there are, whatever their case (P-JSON-17).
//!
//! A struct tells its members before it is read. Not so where serde keeps a value for later, and reads the struct from
//! what it kept: behind `#[serde(flatten)]`, in tagged and in untagged enums. There the names are learned, once for each
//! type: a value whose names may be other spellings is read again with those spellings added twice (`second_look.rs`),
//! and what the type complains about are its members. From then on they are respelled as a value is read; as bytes, which
//! serde's structs take for a name and most maps not for a key. So what is data, and is only called like a member, cannot
//! be read so, and is read as it stands then.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// How many strange names of a value are looked at, and how many of a type are remembered.
const STRANGE_NAMES: usize = 32;
const REMEMBERED: usize = 256;

/// The members of a struct.
pub(super) type Members = &'static [&'static str];

/// Whether two names differ in case only, in any script, as for the names of methods (P-INV-01).
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && one.to_lowercase() == other.to_lowercase())
}

/// The member of this name: as it stands, or in another case.
pub(super) fn member(members: Members, name: &str) -> Option<&'static str> {
    members
        .iter()
        .find(|member| **member == name)
        .or_else(|| members.iter().find(|member| same_name(member, name)))
        .copied()
}

/// How many [`spellings`] there are at most.
pub(super) const SPELLINGS: usize = 7;

/// The spellings that a name may have where it is a member, itself among them: `name`, `Name`, `NAME`.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for name in [name.to_owned(), name.to_lowercase()] {
        let mut letters = name.chars();
        if let Some(first) = letters.next() {
            spellings.push(first.to_uppercase().chain(letters.clone()).collect());
            spellings.push(first.to_lowercase().chain(letters).collect());
        }
    }
    spellings.sort();
    spellings.dedup();
    spellings
}

thread_local! {
    /// The members that serde keeps for later, by the name of the type. Two types of one name share them, which does no harm.
    /// What is no member is not remembered: it may be one of another variant, and one client's message is not to decide how
    /// another's is read.
    static KNOWN: RefCell<HashMap<&'static str, Rc<Vec<&'static str>>>> = RefCell::default();
}

/// What is met while a value of one type is read.
pub(super) struct Names {
    of: &'static str,
    /// The members that were kept for later, looked up when there is the first of them.
    members: OnceCell<Rc<Vec<&'static str>>>,
    /// The names that are none of them, and may be other spellings of some.
    strange: RefCell<Vec<String>>,
    /// Whether other spellings of members count as these, and whether there were any.
    pub(super) respells: bool,
    respelled: Cell<bool>,
}

impl Names {
    pub(super) fn of_type(of: &'static str) -> Self {
        Self { of, members: OnceCell::new(), strange: RefCell::default(), respells: true, respelled: Cell::new(false) }
    }

    /// The member that a name in a value kept for later has to be respelled to, if it is another spelling of one.
    pub(super) fn respelled(&self, name: &str) -> Option<&'static str> {
        let member = self.kept_member(name).filter(|member| self.respells && *member != name);
        self.respelled.set(self.respelled.get() || member.is_some());
        member
    }

    pub(super) fn has_respelled(&self) -> bool {
        self.respelled.get()
    }

    /// The same type, with what was learned meanwhile.
    pub(super) fn again(&self) -> Self {
        Self::of_type(self.of)
    }

    /// The same type, its names taken as they stand.
    pub(super) fn as_it_stands(&self) -> Self {
        Self { respells: false, ..self.again() }
    }

    fn members(&self) -> &[&'static str] {
        self.members.get_or_init(|| KNOWN.with_borrow(|known| known.get(self.of).cloned().unwrap_or_default()))
    }

    /// Whether members that are kept for later were met, and are known.
    pub(super) fn has_kept_members(&self) -> bool {
        self.members.get().is_some_and(|members| !members.is_empty())
    }

    /// The member that a name in a value kept for later stands for, if it is known to be one.
    pub(super) fn kept_member(&self, name: &str) -> Option<&'static str> {
        let members = self.members();
        let found = members.iter().find(|member| **member == name);
        found.or_else(|| members.iter().find(|member| same_name(member, name))).copied()
    }

    /// Takes note of a name that may be another spelling of a member.
    pub(super) fn note(&self, name: &str) {
        let mut strange = self.strange.borrow_mut();
        if strange.len() < STRANGE_NAMES && !strange.iter().any(|known| known == name) {
            strange.push(name.to_owned());
        }
    }

    pub(super) fn has_strange(&self) -> bool {
        !self.strange.borrow().is_empty()
    }

    pub(super) fn strange(&self) -> Vec<String> {
        self.strange.take()
    }

    /// Remembers a member, and tells whether it is new.
    pub(super) fn learn(&self, member: &'static str) -> bool {
        KNOWN.with_borrow_mut(|known| {
            let members = known.entry(self.of).or_default();
            let is_new = members.len() < REMEMBERED && !members.contains(&member);
            if is_new {
                Rc::make_mut(members).push(member);
            }
            is_new
        })
    }
}
