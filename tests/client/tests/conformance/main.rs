//! Every method of the conformance hub through the Rust client, in both protocols, against our hub and ASP.NET Core.

mod calls;
mod crowd;
mod endpoints;
mod sends;
mod streams;
mod support;
mod untyped;

use client_tests::Server;
use hub_core::Codec;

use crate::support::Site;

/// Runs the cases one after the other, each by its name, for a failure to be found by it.
macro_rules! run {
    ($site:expr, $($case:path),* $(,)?) => {$(
        println!("{}", stringify!($case));
        client_tests::deadline(stringify!($case), $case($site)).await;
    )*};
}

async fn all(server: &Server, codec: Codec) {
    let site = &Site { server, codec };
    run!(
        site,
        calls::values_go_both_ways,
        calls::errors_are_told_apart,
        calls::the_caller_is_known,
        calls::authorization_is_by_method,
        calls::tokens_follow_redirects,
        calls::abort_ends_the_connection,
        calls::a_call_may_be_given_up,
        calls::calls_overlap,
        crowd::a_hundred_clients_are_answered,
        endpoints::a_message_above_the_limit_of_the_hub,
        endpoints::pings_keep_a_connection_that_is_watched_closely,
        sends::every_target_is_reached,
        sends::groups_of_others,
        sends::notices_come_in_order,
        sends::questions_are_answered,
        sends::events_of_the_connection,
        streams::items_and_their_end,
        streams::dropping_the_items_cancels,
        streams::a_slow_reader_may_call_meanwhile,
        streams::uploads,
        streams::an_upload_that_fails,
        streams::uploads_stop_with_their_call,
        untyped::by_name,
        untyped::handlers_come_and_go,
        untyped::answers_of_handlers,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json() {
    all(&Server::ours().await, Codec::Json).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messagepack() {
    all(&Server::ours().await, Codec::MessagePack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_json() {
    if let Some(server) = Server::reference().await {
        all(&server, Codec::Json).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_messagepack() {
    if let Some(server) = Server::reference().await {
        all(&server, Codec::MessagePack).await;
    }
}
