//! The attributes in a crate that has no prelude, takes all the usual names for itself, and calls ours otherwise.

#![no_implicit_prelude]

extern crate hub_core as renamed;

/// Everything that generated code could name by accident.
#[allow(dead_code, unused_macros, non_camel_case_types)]
mod taken {
    pub(crate) struct Box;
    pub(crate) struct Option;
    pub(crate) struct String;
    pub(crate) struct Vec;
    pub(crate) struct Arc;
    pub(crate) struct Call;
    pub(crate) struct Method;
    pub(crate) struct Kind;
    pub(crate) struct Proxy;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct R;
    pub(crate) trait Send {}
    pub(crate) trait Sync {}
    pub(crate) trait Sized {}
    pub(crate) trait Clone {}
    pub(crate) trait Debug {}
    pub(crate) trait Future {}
    pub(crate) trait Borrow {}
    pub(crate) trait Fn {}
    pub(crate) trait FnMut {}
    pub(crate) trait Deref {}
    pub(crate) trait Iterator {}
    pub(crate) trait From {}
    pub(crate) trait Into {}
    pub(crate) trait Dispatch {}
    pub(crate) trait Callbacks {}
    pub(crate) trait Remote {}
    pub(crate) trait Answers {}
    pub(crate) trait Streams {}
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod hub_core {}
}

/// Methods that all types have, and that generated code must not pick up.
#[allow(dead_code)]
trait Everywhere {
    fn read(&self) {}
    fn codec(&self) {}
    fn upload(&mut self) {}
    fn borrow(&self) {}
    fn clone(&self) {}
}

impl<T: ?::core::marker::Sized> Everywhere for T {}

#[allow(unused_imports)]
mod shared {
    use super::Everywhere;
    use super::taken::*;
    use ::renamed::{Result, Stream, Upload, contract};

    #[contract(crate = "::renamed")]
    pub(crate) trait Chat {
        async fn notice(&self, call: u32, hub: &::core::primitive::str, codec: u32);
        async fn ask(&self, __call: u32, __hub: u32, __codec: u32, __argument_0: u32) -> Result<u32>;
        fn items(&self, remote: u32, answer: &[u32]) -> impl Stream<Item = Result<u32>>;
        async fn upload(&self, call: Upload<u32>, name: Upload<u32>) -> Result<u32>;
        async fn send(&self, invoke: u32) -> Result<()>;
        async fn clone(&self);
    }

    /// Its answer has the name of the type parameter that proxies have.
    #[contract(crate = "::renamed")]
    pub(crate) trait Answering {
        async fn take(&self, value: u32) -> Result<R>;
    }

    impl ::serde::Serialize for R {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> ::core::result::Result<S::Ok, S::Error> {
            s.serialize_unit()
        }
    }

    impl<'de> ::serde::Deserialize<'de> for R {
        fn deserialize<D: ::serde::Deserializer<'de>>(d: D) -> ::core::result::Result<Self, D::Error> {
            <() as ::serde::Deserialize>::deserialize(d)?;
            ::core::result::Result::Ok(Self)
        }
    }
}

#[allow(unused_imports)]
mod hub_side {
    use super::Everywhere;
    use super::shared::Chat;
    use super::taken::*;
    use ::hub_macros::{callbacks, hub as exposed};
    use ::renamed::{Caller, Result, Stream, Upload};

    pub(crate) struct Room;

    #[exposed(crate = "::renamed", authorize = policy)]
    impl Chat for Room {
        async fn notice(&self, _call: u32, _hub: &::core::primitive::str, _codec: u32) {}

        async fn ask(&self, __call: u32, __hub: u32, __codec: u32, __argument_0: u32) -> Result<u32> {
            ::core::result::Result::Ok(__call + __hub + __codec + __argument_0)
        }

        fn items(&self, remote: u32, answer: &[u32]) -> impl Stream<Item = Result<u32>> {
            let _ = (remote, answer);
            ::futures_util::stream::empty()
        }

        async fn upload(&self, call: Upload<u32>, name: Upload<u32>) -> Result<u32> {
            let _ = (call, name);
            ::core::result::Result::Ok(2)
        }

        async fn send(&self, _invoke: u32) -> Result<()> {
            ::core::result::Result::Ok(())
        }

        async fn clone(&self) {}
    }

    fn policy(_: &Caller<'_>) -> bool {
        true
    }

    pub(crate) struct Listener;

    #[callbacks(crate = "crate::hub_side::reexported::of_ours")]
    impl Listener {
        #[method]
        async fn call(&self, hub: u32, codec: &::core::primitive::str) -> ::core::result::Result<u32, Own> {
            let _ = codec;
            ::core::result::Result::Ok(hub)
        }
    }

    /// What a crate that wraps ours would say.
    pub(crate) mod reexported {
        pub(crate) use ::renamed as of_ours;
    }

    /// An error without `std::error::Error`.
    pub(crate) struct Own;

    impl ::core::convert::From<Own> for ::renamed::HubError {
        fn from(_: Own) -> Self {
            Self::public("own")
        }
    }
}

#[test]
fn it_compiles_and_says_what_it_should() {
    let names = <hub_side::Room as ::renamed::Dispatch>::METHODS.iter();
    let names: ::std::vec::Vec<_> = ::core::iter::Iterator::collect(::core::iter::Iterator::map(names, |m| m.name));
    ::core::assert_eq!(names, ["Notice", "Ask", "Items", "Upload", "Send", "Clone"]);
    ::core::assert_eq!(<hub_side::Listener as ::renamed::Callbacks>::METHODS[0].name, "Call");
    let proxy = shared::ChatProxy::new(());
    ::core::assert_eq!(
        ::std::format!("{:?}", <shared::ChatProxy<()> as ::core::clone::Clone>::clone(&proxy)),
        "ChatProxy { remote: () }"
    );
}
