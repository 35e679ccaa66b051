//! The suite that every [`Backplane`] passes, and backplanes that fail on demand. Feature `conformance`.
//!
//! Whoever writes a backplane, on NATS, on Postgres, tells the suite how to make a process, how to wait, and if it can
//! be done how to cut the link:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use hub_core::backplane::Backplane;
//! # use hub_core::backplane::InProcess as MyBackplane;
//! use hub_core::conformance::{self, Cluster};
//!
//! struct MyCluster {
//!     // A server started for this test, on a port that the system chose.
//! #   medium: MyBackplane,
//! }
//!
//! impl Cluster for MyCluster {
//!     async fn connect(&self) -> Arc<dyn Backplane> {
//! #       let my_backplane = self.medium.clone();
//! #       /*
//!         let my_backplane = MyBackplane::connect(self.server.address()).await.unwrap();
//! #       */
//!         Arc::new(my_backplane)
//!     }
//!
//!     async fn sleep(&self, time: Duration) {
//!         tokio::time::sleep(time).await;
//!     }
//!
//!     // const CAN_CUT: bool = true;
//!     // async fn cut(&self) { self.server.kill().await }
//!     // async fn restore(&self) { self.server.start().await }
//!     // const CAN_PAUSE: bool = true;
//!     // async fn pause(&self) { self.server.stop().await }
//!     // async fn resume(&self) { self.server.go_on().await }
//! }
//!
//! #[tokio::test]
//! # async fn not_run() {}
//! async fn conforms() {
//! #   let my_cluster = MyCluster { medium: MyBackplane::new() };
//!     conformance::run(&my_cluster).await.unwrap();
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(conforms());
//! ```
//!
//! [`run`] checks every rule and names those that are broken:
//!
//! ```text
//! 2 of 29 rules are broken:
//! - subscriptions_are_counted: node 2 was not given "one", on Group("g")
//! - what_a_sender_publishes_to_a_topic_arrives_once_and_in_order: node 4 was given "node 1: 17" before
//!   "node 1: 16": out of order, on All
//! ```
//!
//! To work on one, call its function in [`rules`] alone. The suite runs on any runtime, with any clock: a clock that
//! jumps to the next timer when all is idle makes broken rules fail at once (tokio's `start_paused`, for a backplane
//! without IO).
//!
//! Rules wait for what must come, not for a time. That something does *not* come is concluded when a later delivery on
//! the same way has come, so a backplane that keeps the guarantees never fails by chance.
//!
//! # Backplanes that fail on demand
//!
//! [`Lossy`] and [`Switched`] wrap any backplane, for tests of what a hub does when a delivery is lost or the link is
//! down.

mod bench;
mod faults;
mod recorder;
pub mod rules;
mod waiting;
mod watch;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use self::faults::{Link, Lossy, Switched};
use self::watch::Watch;
use crate::backplane::Backplane;

/// What the suite runs on: any number of processes on one medium, such as a Redis server.
///
/// The functions may be written as `async fn`, and may panic where the medium cannot be had.
pub trait Cluster {
    /// Whether [`cut`](Self::cut) and [`restore`](Self::restore) do something. Rules about a broken link are left out
    /// otherwise.
    const CAN_CUT: bool = false;

    /// The backplane of one more process. It may still be connecting.
    fn connect(&self) -> impl Future<Output = Arc<dyn Backplane>>;

    /// Waits for this time.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// How long a single step may take before the rule is broken: 10 s. It should be much longer than a backplane takes
    /// to connect again. A suite that passes never waits for it.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Cuts the links of all processes to the medium: kills it, blocks its port. Done when nothing gets through. They
    /// need not have noticed.
    fn cut(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Whether [`pause`](Self::pause) and [`resume`](Self::resume) do something. The rule about pauses is left out
    /// otherwise.
    const CAN_PAUSE: bool = false;

    /// Has the medium stand still, for less than the backplane documents that it bears.
    fn pause(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Has it go on.
    fn resume(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Makes the medium reachable again, if it is not. Links need not be back yet. The medium may have forgotten
    /// everything.
    fn restore(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// How a rule is broken.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken(String);

fn broken(how: impl Into<String>) -> Broken {
    Broken(how.into())
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it is displayed, for what `unwrap` prints.
impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}

/// What [`run`] found. Printed, it is for people to read.
#[derive(Clone, Default)]
pub struct Report {
    /// The rules that hold, by name.
    pub kept: Vec<&'static str>,
    /// The rules that do not hold, and how.
    pub broken: Vec<(&'static str, Broken)>,
    /// The rules that were not checked: those about a broken link where the cluster cannot be cut, that about pauses where
    /// it cannot be paused, and all others where nodes do not hear each other in the first place.
    pub left_out: Vec<&'static str>,
}

impl Report {
    fn add(&mut self, rule: &'static str, result: Result<(), Broken>) {
        match result {
            Ok(()) => self.kept.push(rule),
            Err(how) => self.broken.push((rule, how)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checked = self.kept.len() + self.broken.len();
        match self.broken.len() {
            0 => write!(f, "{checked} of {checked} rules hold")?,
            1 => write!(f, "1 of {checked} rules is broken:")?,
            some => write!(f, "{some} of {checked} rules are broken:")?,
        }
        for (rule, how) in &self.broken {
            write!(f, "\n- {rule}: {how}")?;
        }
        if !self.left_out.is_empty() {
            write!(f, "\nnot checked: {}", self.left_out.join(", "))?;
        }
        Ok(())
    }
}

/// As it is displayed, for what `unwrap` prints.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report {}

/// Checks all rules, each with a hub of its own.
///
/// # Errors
/// When any is broken: the report says which, and how.
pub async fn run<C: Cluster>(cluster: &C) -> Result<Report, Report> {
    let mut report = Report::default();
    check_all(cluster, &mut report).await;
    if report.broken.is_empty() { Ok(report) } else { Err(report) }
}

macro_rules! suite {
    (first $first:ident; always $($rule:ident)*; with cuts $($cut:ident)*; with pauses $($pause:ident)*;) => {
        async fn check_all<C: Cluster>(cluster: &C, report: &mut Report) {
            let watch = Watch::begin();
            watch.checks(stringify!($first));
            report.add(stringify!($first), rules::$first(cluster).await);
            if !report.broken.is_empty() {
                report.left_out.extend([$(stringify!($rule),)* $(stringify!($cut),)* $(stringify!($pause),)*]);
                return;
            }
            $(
                watch.checks(stringify!($rule));
                report.add(stringify!($rule), rules::$rule(cluster).await);
            )*
            if C::CAN_CUT {
                $(
                    watch.checks(stringify!($cut));
                    report.add(stringify!($cut), rules::$cut(cluster).await);
                )*
            } else {
                report.left_out.extend([$(stringify!($cut)),*]);
            }
            if C::CAN_PAUSE {
                $(
                    watch.checks(stringify!($pause));
                    report.add(stringify!($pause), rules::$pause(cluster).await);
                )*
            } else {
                report.left_out.extend([$(stringify!($pause)),*]);
            }
        }
    };
}

suite! {
    first nodes_hear_each_other;
    always
        node_ids_are_unique_and_stay
        each_topic_reaches_its_subscribers_and_nobody_else
        names_may_be_any_text_and_their_case_matters
        a_node_is_not_given_what_it_published_itself
        publish_counted_counts_the_other_nodes_that_subscribe
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic
        a_subscription_is_in_force_when_its_future_is_done
        many_subscriptions_made_at_once_are_all_in_force
        a_topic_subscribed_to_again_at_once_is_heard
        subscriptions_are_counted
        a_topic_falls_silent_with_its_last_subscription
        a_subscription_holds_though_nobody_waits_for_it
        a_subscription_taken_back_early_holds_up_nobody
        a_dropped_attachment_hears_nothing_and_counts_nowhere
        an_inbox_may_subscribe_while_it_is_given_a_delivery
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order
        what_is_published_in_turn_comes_to_all_in_one_order
        what_was_taken_comes_before_what_is_published_then
        what_was_published_arrives_though_its_sender_is_gone
        every_kind_of_delivery_arrives_as_it_was_sent
        messages_arrive_whole_whatever_their_size
        large_messages_and_small_ones_keep_their_order
        hubs_of_different_names_do_not_mix
        two_hubs_on_one_backplane_are_independent
        hubs_of_one_name_on_one_backplane_are_two_nodes
        the_first_secret_proposed_becomes_that_of_all_nodes
        secrets_proposed_at_once_come_to_one
        each_hub_has_its_own_secret;
    with cuts
        nobody_waits_for_a_broken_link
        subscriptions_come_back_with_the_link
        order_holds_across_a_cut_and_nothing_comes_twice
        all_nodes_have_one_secret_again_after_a_cut
        ones_own_is_given_though_the_link_is_down;
    with pauses
        a_pause_loses_nothing;
}
