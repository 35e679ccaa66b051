//! What is generated is silent under lints that are not ours to choose, and wherever the user silenced one.

#![deny(
    missing_docs,
    unreachable_pub,
    unused,
    unused_qualifications,
    unused_lifetimes,
    single_use_lifetimes,
    missing_debug_implementations,
    missing_copy_implementations,
    let_underscore_drop,
    trivial_casts,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    deprecated,
    nonstandard_style,
    refining_impl_trait,
    async_fn_in_trait,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
// Where the tests themselves do not keep to them.
#![allow(
    missing_debug_implementations,
    missing_copy_implementations,
    clippy::redundant_pub_crate,
    clippy::unused_async
)]

extern crate hub_core as hub_client;
extern crate hub_core as hub_server;

pub mod shared {
    //! Public, as the contract crate of an application is.

    use hub_core::{Result, Stream, Upload, contract};

    /// Old.
    #[deprecated]
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Old;

    /// The hub.
    #[contract]
    pub trait Chat {
        /// Says.
        async fn say(&self, room: &str, text: String) -> Result<u64>;
        /// Notices.
        async fn typing(&self, room: &str);
        /// Streams.
        fn history(&self, room: &str, last: u32) -> impl Stream<Item = Result<String>>;
        /// Uploads.
        async fn import(&self, lines: Upload<String>) -> Result<()>;
        /// Silenced here, and so in the proxy.
        #[allow(unused_qualifications, deprecated)]
        async fn qualified(&self, text: &std::primitive::str, old: Old) -> Result<()>;
        /// Expected here, and so silent in the proxy.
        #[expect(clippy::ptr_arg, reason = "to see it carried")]
        async fn vector(&self, text: &Vec<u8>) -> Result<()>;
    }

    /// Silenced for the whole trait.
    #[allow(deprecated)]
    #[contract]
    pub trait OldChat {
        /// Old.
        async fn old(&self, old: Old) -> Result<Old>;
    }
}

mod hub {
    #[allow(deprecated)]
    use super::shared::Old;
    use super::shared::{Chat, OldChat};
    use futures_util::stream;
    use hub_core::{Result, Stream, Upload};
    use hub_macros::{callbacks, hub};

    pub(crate) struct Hub;

    #[hub]
    impl Chat for Hub {
        async fn say(&self, room: &str, text: String) -> Result<u64> {
            drop(text);
            Ok(room.len() as u64)
        }

        async fn typing(&self, _: &str) {}

        fn history(&self, _: &str, _: u32) -> impl Stream<Item = Result<String>> {
            stream::empty()
        }

        async fn import(&self, _: Upload<String>) -> Result<()> {
            Ok(())
        }

        #[allow(unused_qualifications, deprecated)]
        async fn qualified(&self, _: &std::primitive::str, _: Old) -> Result<()> {
            Ok(())
        }

        async fn vector(&self, _: &Vec<u8>) -> Result<()> {
            Ok(())
        }
    }

    pub(crate) struct Client;

    #[allow(deprecated)]
    #[callbacks]
    impl OldChat for Client {
        async fn old(&self, old: Old) -> Result<Old> {
            Ok(old)
        }
    }

    pub(crate) struct Plain;

    #[hub]
    impl Plain {
        #[method]
        #[allow(deprecated)]
        async fn old(&self, _: Old, _: &[Old]) {}

        #[method]
        #[deprecated]
        async fn nothing(&self) {}
    }
}

/// A contract of which this program uses neither side.
mod unused {
    use hub_core::{Result, contract};

    #[contract]
    trait Unused {
        async fn nothing(&self, text: &str) -> Result<()>;
    }
}

#[test]
fn it_compiles() {
    use hub_core::{Callbacks, Dispatch};

    assert_eq!(hub::Hub::METHODS.len(), 6);
    assert_eq!(hub::Client::METHODS.len(), 1);
    assert_eq!(hub::Plain::METHODS.len(), 2);
}
