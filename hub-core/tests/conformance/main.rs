//! The suite for backplanes, on those that keep its rules and on those that break them.

mod bent;
mod fakes;
mod slow;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use hub_core::backplane::{Backplane, InProcess};
use hub_core::conformance::{self, Cluster, Link, Report, Switched};

use self::bent::{Bend, Bent};
use self::slow::Slow;

/// Processes that share one backplane in memory.
struct Memory<B>(B);

impl<B: Backplane + Clone + 'static> Cluster for Memory<B> {
    async fn connect(&self) -> Arc<dyn Backplane> {
        Arc::new(self.0.clone())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The same with a switch.
struct WithSwitch<B>(Switched<B>);

impl<B: Backplane + Clone + 'static> Cluster for WithSwitch<B> {
    const CAN_CUT: bool = true;

    async fn connect(&self) -> Arc<dyn Backplane> {
        Arc::new(self.0.clone())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn cut(&self) {
        self.0.set(Link::Down);
    }

    async fn restore(&self) {
        self.0.set(Link::Up);
    }
}

#[tokio::test]
async fn the_backplane_in_process_conforms() {
    let report = conformance::run(&Memory(InProcess::new())).await.unwrap();
    let left_out = report.left_out.len();
    assert_eq!((left_out, report.broken.len()), (6, 0), "all but the rules about cuts and pauses: {report}");
}

#[tokio::test]
async fn with_a_switch_it_conforms_through_cuts() {
    let report = conformance::run(&WithSwitch(Switched::new(InProcess::new()))).await.unwrap();
    assert_eq!(report.left_out, ["a_pause_loses_nothing"], "{report}");
    // No rule is there that nothing breaks.
    let never = |rule: &&str| !SEEN_BROKEN.contains(rule) && *rule != "nodes_hear_each_other";
    assert_eq!(report.kept.into_iter().filter(never).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_backplane_that_keeps_the_rules_conforms_however_slow_it_is() {
    for milliseconds in [1, 15, 45, 300] {
        let slow = Slow(InProcess::new(), Duration::from_millis(milliseconds));
        let report = conformance::run(&WithSwitch(Switched::new(slow))).await.unwrap();
        assert_eq!(report.left_out, ["a_pause_loses_nothing"], "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backplane_with_threads_of_its_own_conforms() {
    let slow = Slow(InProcess::new(), Duration::from_millis(1));
    conformance::run(&WithSwitch(Switched::new(slow))).await.unwrap();
}

/// What the suite finds broken of a backplane that is bent in this way.
async fn found(bend: Bend) -> Report {
    conformance::run(&Bent::new(bend)).await.expect_err("the suite noticed nothing")
}

fn broken(report: &Report) -> Vec<&'static str> {
    report.broken.iter().map(|(rule, _)| *rule).collect()
}

macro_rules! the_suite_notices {
    ($($name:ident: $bend:ident breaks [$($rule:ident),* $(,)?], $how:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let report = found(Bend::$bend).await;
                assert_eq!(broken(&report), [$(stringify!($rule)),*], "{report}");
                assert!(report.to_string().contains($how), "{report}");
            }
        )*

        /// The rules that a bent backplane was seen to break.
        const SEEN_BROKEN: &[&str] = &[$($(stringify!($rule)),*),*];
    };
}

the_suite_notices! {
    reordering: Reorders breaks [
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order,
        what_was_published_arrives_though_its_sender_is_gone,
        order_holds_across_a_cut_and_nothing_comes_twice,
    ], r#"before "node 1: 23": out of order"#;
    repeating: Repeats breaks [
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order,
        what_was_published_arrives_though_its_sender_is_gone,
        order_holds_across_a_cut_and_nothing_comes_twice,
    ], "twice, on All";
    losing: Loses breaks [
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order,
        what_was_published_arrives_though_its_sender_is_gone,
        order_holds_across_a_cut_and_nothing_comes_twice,
    ], "was not given";
    echoing: Echoes breaks [
        a_node_is_not_given_what_it_published_itself,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
    ], r#"was given "from one" where "from the other" was due"#;
    counting_the_sender: CountsItself breaks [
        publish_counted_counts_the_other_nodes_that_subscribe,
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_topic_subscribed_to_again_at_once_is_heard,
        a_topic_falls_silent_with_its_last_subscription,
        a_subscription_holds_though_nobody_waits_for_it,
        a_subscription_taken_back_early_holds_up_nobody,
        a_dropped_attachment_hears_nothing_and_counts_nowhere,
        an_inbox_may_subscribe_while_it_is_given_a_delivery,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
        subscriptions_come_back_with_the_link,
    ], r#"1 nodes were counted for Group("g"), 0 subscribe"#;
    counting_nobody: CountsNobody breaks [
        publish_counted_counts_the_other_nodes_that_subscribe,
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_topic_subscribed_to_again_at_once_is_heard,
        a_topic_falls_silent_with_its_last_subscription,
        a_subscription_holds_though_nobody_waits_for_it,
        a_dropped_attachment_hears_nothing_and_counts_nowhere,
        an_inbox_may_subscribe_while_it_is_given_a_delivery,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
        subscriptions_come_back_with_the_link,
    ], r#"0 nodes were counted for Group("g"), 1 subscribe"#;
    folding_case: FoldsCase breaks [
        each_topic_reaches_its_subscribers_and_nobody_else,
        names_may_be_any_text_and_their_case_matters,
    ], r#"was given "to User(\"A\")", which was not for it, on User("a")"#;
    cutting_names: CutsNames breaks [
        names_may_be_any_text_and_their_case_matters,
    ], ".. (1008 bytes)";
    users_taken_for_groups: UsersAreGroups breaks [
        each_topic_reaches_its_subscribers_and_nobody_else,
        names_may_be_any_text_and_their_case_matters,
        a_node_is_not_given_what_it_published_itself,
        publish_counted_counts_the_other_nodes_that_subscribe,
        many_subscriptions_made_at_once_are_all_in_force,
        a_topic_falls_silent_with_its_last_subscription,
        a_dropped_attachment_hears_nothing_and_counts_nowhere,
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order,
        hubs_of_different_names_do_not_mix,
        subscriptions_come_back_with_the_link,
    ], r#""to User(\"All\")" where "to Group(\"All\")" was due"#;
    hubs_taken_for_one: HubsAreOne breaks [
        hubs_of_different_names_do_not_mix,
        each_hub_has_its_own_secret,
    ], "which was not for it, on All";
    names_joined_ambiguously: JoinsByColon breaks [
        hubs_of_different_names_do_not_mix,
        each_hub_has_its_own_secret,
    ], r#":a", which was not for it, on Group("a:b")"#;
    subscriptions_not_counted: CountsNot breaks [
        subscriptions_are_counted,
        subscriptions_come_back_with_the_link,
    ], r#"was not given "one""#;
    subscribing_late: SubscribesLate breaks [
        each_topic_reaches_its_subscribers_and_nobody_else,
        names_may_be_any_text_and_their_case_matters,
        a_node_is_not_given_what_it_published_itself,
        publish_counted_counts_the_other_nodes_that_subscribe,
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_subscription_is_in_force_when_its_future_is_done,
        many_subscriptions_made_at_once_are_all_in_force,
        a_topic_subscribed_to_again_at_once_is_heard,
        subscriptions_are_counted,
        a_topic_falls_silent_with_its_last_subscription,
        a_subscription_taken_back_early_holds_up_nobody,
        an_inbox_may_subscribe_while_it_is_given_a_delivery,
        what_a_sender_publishes_to_a_topic_arrives_once_and_in_order,
        what_is_published_in_turn_comes_to_all_in_one_order,
        what_was_taken_comes_before_what_is_published_then,
        what_was_published_arrives_though_its_sender_is_gone,
        large_messages_and_small_ones_keep_their_order,
        two_hubs_on_one_backplane_are_independent,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
        subscriptions_come_back_with_the_link,
        order_holds_across_a_cut_and_nothing_comes_twice,
        ones_own_is_given_though_the_link_is_down,
    ], r#"was not given "at once", on Group("g0")"#;
    subscribing_lazily: SubscribesLazily breaks [
        a_subscription_holds_though_nobody_waits_for_it,
        a_subscription_taken_back_early_holds_up_nobody,
        an_inbox_may_subscribe_while_it_is_given_a_delivery,
    ], r#"for Group("g0") to have 1 nodes: 0 were counted"#;
    unsubscribing_late: UnsubscribesLate breaks [
        a_topic_subscribed_to_again_at_once_is_heard,
        subscriptions_are_counted,
        subscriptions_come_back_with_the_link,
    ], r#"was not given "still""#;
    never_done: NeverDone breaks [
        a_subscription_taken_back_early_holds_up_nobody,
    ], "a subscription taken back early was not done within 10s";
    ending_for_neighbours: EndsForNeighbours breaks [
        two_hubs_on_one_backplane_are_independent,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
    ], r#"was not given "first""#;
    never_unsubscribing: NeverUnsubscribes breaks [
        publish_counted_counts_the_other_nodes_that_subscribe,
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_topic_falls_silent_with_its_last_subscription,
        a_subscription_taken_back_early_holds_up_nobody,
        an_inbox_may_subscribe_while_it_is_given_a_delivery,
        hubs_of_one_name_on_one_backplane_are_two_nodes,
        subscriptions_come_back_with_the_link,
    ], r#"for Group("g") to have 1 nodes: 2 were counted"#;
    never_detaching: NeverDetaches breaks [
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_dropped_attachment_hears_nothing_and_counts_nowhere,
    ], "to have 0 nodes: 1 were counted";
    one_id_for_all: OneId breaks [
        node_ids_are_unique_and_stay,
        each_topic_reaches_its_subscribers_and_nobody_else,
        what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic,
        a_dropped_attachment_hears_nothing_and_counts_nowhere,
    ], "two nodes have the id BwcHBwcH";
    filling_in_protocols: FillsIn breaks [
        every_kind_of_delivery_arrives_as_it_was_sent,
    ], "Notice";
    losing_the_text_of_errors: LosesErrors breaks [
        every_kind_of_delivery_arrives_as_it_was_sent,
    ], r#"Answer(Error("error"))"#;
    cutting_messages: CutsMessages breaks [
        messages_arrive_whole_whatever_their_size,
        large_messages_and_small_ones_keep_their_order,
    ], "bytes) where Notice";
    delaying_large_messages: DelaysLarge breaks [
        large_messages_and_small_ones_keep_their_order,
    ], r#""2: " before "1: xxx"#;
    secrets_of_ones_own: OwnSecrets breaks [
        the_first_secret_proposed_becomes_that_of_all_nodes,
        secrets_proposed_at_once_come_to_one,
        all_nodes_have_one_secret_again_after_a_cut,
    ], "was told the secret 020202.., not 00fe00..";
    one_secret_for_all_hubs: OneSecret breaks [
        each_hub_has_its_own_secret,
    ], "was told the secret";
    no_secrets: NoSecrets breaks [
        the_first_secret_proposed_becomes_that_of_all_nodes,
        secrets_proposed_at_once_come_to_one,
        each_hub_has_its_own_secret,
        all_nodes_have_one_secret_again_after_a_cut,
    ], "was not told which it is to be";
    waiting_for_the_link: Waits breaks [
        nobody_waits_for_a_broken_link,
        order_holds_across_a_cut_and_nothing_comes_twice,
        ones_own_is_given_though_the_link_is_down,
    ], "publish did not return within 10s";
    subscribing_with_the_link: SubscribesWithTheLink breaks [
        nobody_waits_for_a_broken_link,
        subscriptions_come_back_with_the_link,
    ], r#"subscribe to Group("g0") was not done"#;
    forgetting_subscriptions: ForgetsSubscriptions breaks [
        nobody_waits_for_a_broken_link,
        subscriptions_come_back_with_the_link,
        order_holds_across_a_cut_and_nothing_comes_twice,
        all_nodes_have_one_secret_again_after_a_cut,
        ones_own_is_given_though_the_link_is_down,
    ], r#"for Group("before") to have 1 nodes: 0 were counted"#;
    forgetting_users: ForgetsUsers breaks [
        subscriptions_come_back_with_the_link,
    ], r#"for User("u") to have 1 nodes: 0 were counted"#;
    flushing_late: FlushesLate breaks [
        order_holds_across_a_cut_and_nothing_comes_twice,
    ], r#"was given "100" out of order"#;
    sending_what_was_refused: SendsWhatItRefused breaks [
        order_holds_across_a_cut_and_nothing_comes_twice,
    ], r#"was given "100", whose publication was refused"#;
    publishing_later: PublishesLater breaks [
        what_was_published_arrives_though_its_sender_is_gone,
    ], "was not given";
    repeating_after_cuts: RepeatsAfterCuts breaks [
        order_holds_across_a_cut_and_nothing_comes_twice,
        ones_own_is_given_though_the_link_is_down,
    ], r#"was given "99" twice"#;
    serving_its_own_first: LocalFirst breaks [
        what_is_published_in_turn_comes_to_all_in_one_order,
    ], "was given another order than node 1";
    taking_late: TakesLate breaks [
        what_is_published_in_turn_comes_to_all_in_one_order,
        what_was_taken_comes_before_what_is_published_then,
    ], "had published in turn, and was not given";
    forgetting_its_own: ForgetsOwn breaks [
        what_is_published_in_turn_comes_to_all_in_one_order,
        what_was_taken_comes_before_what_is_published_then,
        ones_own_is_given_though_the_link_is_down,
    ], r#"whose link was down, was not given "0""#;
    needing_the_link_for_its_own: OwnNeedsLink breaks [
        ones_own_is_given_though_the_link_is_down,
    ], r#"whose link was down, was not given "0""#;
    losing_in_pauses: LosesInPauses breaks [
        a_pause_loses_nothing,
    ], "though it was but a pause";
    forgetting_secrets: ForgetsSecrets breaks [
        all_nodes_have_one_secret_again_after_a_cut,
    ], "not all nodes were told the same secret";
}

#[tokio::test(start_paused = true)]
async fn where_nodes_do_not_hear_each_other_only_that_is_said() {
    let cluster = WithSwitch(Switched::new(InProcess::new()));
    cluster.0.set(Link::Silent);
    let report = conformance::run(&cluster).await.unwrap_err();
    assert_eq!(broken(&report), ["nodes_hear_each_other"], "{report}");
    assert!(report.kept.is_empty() && report.left_out.len() > 20, "{report}");
    let first = report.to_string();
    let first = first.lines().take(2).collect::<Vec<_>>();
    assert_eq!(
        first,
        ["1 of 1 rules is broken:", "- nodes_hear_each_other: node 2 did not hear node 1 within 10s"],
        "{report}"
    );
}
