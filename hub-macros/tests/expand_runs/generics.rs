//! Generics, lifetimes and bounds on the impl.

use std::fmt::Display;
use std::marker::PhantomData;

use futures_util::stream;
use hub_core::{Dispatch, Result, Stream, contract};
use hub_macros::{callbacks, hub};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::support::{Outcome, call_back, call_hub};

trait Store: Send + Sync + 'static {
    type Key: DeserializeOwned + Send + Sync;
    const KIND: &'static str;
    fn find(&self, key: &Self::Key) -> u64;
}

struct Squares;

impl Store for Squares {
    type Key = u64;
    const KIND: &'static str = "squares";
    fn find(&self, key: &u64) -> u64 {
        key * key
    }
}

#[contract]
trait Finding {
    async fn find(&self, key: u64) -> Result<u64>;
    fn find_all(&self, keys: &[u64]) -> impl Stream<Item = Result<u64>>;
}

struct Finder<S, const OFFSET: u64>(S);

#[hub]
impl<S: Store<Key = u64>, const OFFSET: u64> Finding for Finder<S, OFFSET>
where
    S::Key: Display,
{
    async fn find(&self, key: u64) -> Result<u64> {
        Ok(self.0.find(&key) + OFFSET)
    }

    fn find_all(&self, keys: &[u64]) -> impl Stream<Item = Result<u64>> {
        stream::iter(keys.iter().map(|key| Ok(self.0.find(key))))
    }
}

#[test]
fn a_contract_for_any_store() {
    assert_eq!(call_hub(Finder::<_, 1>(Squares), "Find", json!([3])), Outcome::answered(10));
    let found = Outcome { items: vec![json!(4), json!(9)], result: Ok(json!(null)) };
    assert_eq!(call_hub(Finder::<_, 1>(Squares), "FindAll", json!([[2, 3]])), found);
}

struct Plain<S, T>(S, PhantomData<fn() -> T>);

#[hub(authorize = Self::allowed)]
impl<S, T> Plain<S, T>
where
    S: Store,
    T: DeserializeOwned + Serialize + Send + Sync + 'static,
{
    #[method]
    async fn kind(&self) -> Result<&'static str> {
        Ok(S::KIND)
    }

    #[method]
    async fn by_value(&self, key: S::Key) -> Result<u64> {
        Ok(self.0.find(&key))
    }

    #[method]
    async fn by_reference(&self, key: &S::Key) -> Result<u64> {
        Ok(self.0.find(key))
    }

    #[method]
    async fn echo(&self, value: T) -> Result<T> {
        Ok(value)
    }

    #[method]
    async fn echo_list(&self, values: &[T]) -> Result<usize> {
        Ok(values.len())
    }

    fn allowed(_: &hub_core::Caller<'_>) -> bool {
        !S::KIND.is_empty()
    }
}

#[test]
fn a_plain_hub_over_its_parameters() {
    let plain = || Plain::<_, Vec<u8>>(Squares, PhantomData);
    assert_eq!(call_hub(plain(), "Kind", json!([])), Outcome::answered("squares"));
    assert_eq!(call_hub(plain(), "ByValue", json!([3])), Outcome::answered(9));
    assert_eq!(call_hub(plain(), "ByReference", json!([4])), Outcome::answered(16));
    assert_eq!(call_hub(plain(), "Echo", json!([[1, 2]])), Outcome::answered(vec![1, 2]));
    assert_eq!(call_hub(plain(), "EchoList", json!([[[1], [2]]])), Outcome::answered(2));
    assert!(Plain::<Squares, u8>::METHODS.iter().all(|method| method.policies.len() == 1));
}

struct Listener<F>(F);

#[callbacks]
impl<F: Fn(&str) -> u32 + Send + Sync + 'static> Listener<F> {
    #[method]
    async fn said(&self, text: &str) -> Result<u32> {
        Ok((self.0)(text))
    }
}

#[test]
fn callbacks_over_a_closure() {
    let listener = std::sync::Arc::new(Listener(|text: &str| text.len() as u32));
    assert_eq!(call_back(&listener, "Said", json!(["four"])), Outcome::answered(4));
}

/// What `macro_rules!` hands over is wrapped in invisible groups.
macro_rules! hub_of {
    ($contract:ident for $hub:ident, $find:ident($key:ident: $key_type:ty) -> $answer:ty) => {
        struct $hub;

        #[hub]
        impl $contract for $hub {
            async fn $find(&self, $key: $key_type) -> $answer {
                Ok($key.len())
            }
        }
    };
}

#[contract]
trait Measuring {
    async fn measure(&self, text: &str) -> Result<usize>;
}

hub_of!(Measuring for Measured, measure(text: &str) -> Result<usize>);

#[test]
fn a_hub_from_a_macro() {
    assert_eq!(call_hub(Measured, "Measure", json!(["four"])), Outcome::answered(4));
}
