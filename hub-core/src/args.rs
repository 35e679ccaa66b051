//! Arguments as they came, and how they become typed values: once, straight from the frame.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::codec::{Codec, Payload};
use crate::error::with_detail;

/// The undecoded argument list of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args(Payload);

impl Args {
    /// Takes a payload that holds an array.
    pub fn new(list: Payload) -> Self {
        Self(list)
    }

    /// The protocol in which the arguments came.
    pub fn codec(&self) -> Codec {
        self.0.codec()
    }

    /// The array as it came.
    pub fn payload(&self) -> &Payload {
        &self.0
    }

    /// Reads all arguments, as a tuple.
    ///
    /// # Errors
    /// When there are more or fewer than the tuple has, or one is of another type (P-INV-05, 06).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        let progress = Progress::default();
        let seed = CountingSeed::<T> { progress: &progress, of: PhantomData };
        // Which argument it is, is the first step.
        match self.0.read_seed(seed, 1) {
            Ok((values, provided)) if provided == progress.expected.get() => Ok(values),
            Ok((_, provided)) => Err(ArgsError::Count { provided, expected: progress.expected.get() }),
            Err(error) => Err(match progress.state.get() {
                // The tuple ran out of arguments: what came before were all there are.
                State::Exhausted => progress.wrong_count(),
                _ => {
                    let position = progress.seen.get();
                    ArgsError::Type { position, detail: format!("argument {position}: {error}") }
                }
            }),
        }
    }
}

/// Why arguments did not fit a method.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgsError {
    /// There are more or fewer than the method has parameters.
    Count {
        /// How many came.
        provided: usize,
        /// How many the method has.
        expected: usize,
    },
    /// An argument, or the item of a stream, is not of the type that is expected.
    Type {
        /// Which argument, from 1; 0 where it is not one of a list.
        position: usize,
        /// Which argument, which member of it, and what the deserializer says of it. Stays on the server: it may quote
        /// the caller's data.
        detail: String,
    },
}

impl ArgsError {
    /// The text of an upload's end when one of its items does not convert (P-UP-06).
    pub(crate) fn of_upload(&self, detailed: bool) -> crate::HubError {
        let head = "Failed to bind Stream message.";
        crate::HubError::public(if detailed { self.explain(head) } else { head.to_owned() })
    }

    /// `head`, and behind it the reason as clients read it when detailed errors are on.
    pub fn explain(&self, head: &str) -> String {
        with_detail(head, "InvalidDataException", &self.to_string())
    }

    /// Where the fault is and what the deserializer says of it, for the server's log.
    pub fn detail(&self) -> &str {
        match self {
            Self::Count { .. } => "",
            Self::Type { detail, .. } => detail,
        }
    }
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REASON: &str = "Make sure that the types of the provided values match the types of the hub method \
                              being invoked.";
        match self {
            Self::Count { provided, expected } => {
                write!(f, "Invocation provides {provided} argument(s) but target expects {expected}.")
            }
            // Which argument it was stays on the server, in both protocols.
            Self::Type { .. } => write!(f, "Error binding arguments. {REASON}"),
        }
    }
}

impl std::error::Error for ArgsError {}

/// A type whose reference can be a parameter of a hub method: what is decoded is owned, the method borrows it.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be a parameter of a hub method",
    note = "`{Self}` must implement `serde::Deserialize` without borrowing"
)]
pub trait Lend {
    /// What is decoded.
    type Owned: DeserializeOwned + Borrow<Self> + Send;
}

impl Lend for str {
    type Owned = String;
}

impl<T: DeserializeOwned + Send> Lend for [T] {
    type Owned = Vec<T>;
}

impl<T: DeserializeOwned + Send> Lend for T {
    type Owned = T;
}

#[derive(Default)]
struct Progress {
    expected: Cell<usize>,
    seen: Cell<usize>,
    state: Cell<State>,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Reading,
    Exhausted,
}

impl Progress {
    fn wrong_count(&self) -> ArgsError {
        ArgsError::Count { provided: self.seen.get(), expected: self.expected.get() }
    }
}

struct CountingSeed<'p, T> {
    progress: &'p Progress,
    of: PhantomData<T>,
}

impl<T> Clone for CountingSeed<'_, T> {
    fn clone(&self) -> Self {
        Self { progress: self.progress, of: PhantomData }
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for CountingSeed<'_, T> {
    /// With how many there were: a list may be read more than once, and not always by whoever gives what was read.
    type Value = (T, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(T, usize), D::Error> {
        self.progress.seen.set(0);
        self.progress.state.set(State::Reading);
        let values = T::deserialize(Counting { deserializer, progress: self.progress })?;
        Ok((values, self.progress.seen.get()))
    }
}

/// A deserializer of an argument list that counts what it hands out, so that an error can name the argument.
struct Counting<'p, D> {
    deserializer: D,
    progress: &'p Progress,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Counting<'_, D> {
    type Error = D::Error;

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.progress.expected.set(len);
        self.deserializer.deserialize_seq(CountingVisitor { visitor, progress: self.progress })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        // `()` is the tuple of no arguments: an empty list.
        self.deserializer.deserialize_seq(NoneExpected { visitor, progress: self.progress })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserializer.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct
        newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

struct CountingVisitor<'p, V> {
    visitor: V,
    progress: &'p Progress,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for CountingVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<V::Value, A::Error> {
        let values = self.visitor.visit_seq(CountingList { list: &mut list, progress: self.progress })?;
        // Surplus arguments are read too: the error names how many came (P-INV-06).
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.progress.seen.set(self.progress.seen.get() + 1);
        }
        Ok(values)
    }
}

struct NoneExpected<'p, V> {
    visitor: V,
    progress: &'p Progress,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for NoneExpected<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an empty argument list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<V::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.progress.seen.set(self.progress.seen.get() + 1);
        }
        self.visitor.visit_unit()
    }
}

struct CountingList<'p, A> {
    list: A,
    progress: &'p Progress,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for CountingList<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        // Counted before it is read, so that a failure leaves the number of the argument that failed.
        self.progress.seen.set(self.progress.seen.get() + 1);
        let value = self.list.next_element_seed(seed)?;
        if value.is_none() {
            self.progress.seen.set(self.progress.seen.get() - 1);
            self.progress.state.set(State::Exhausted);
        }
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.list.size_hint()
    }
}
