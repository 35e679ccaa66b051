//! The suite for backplanes, on those that keep its rules and on those that break them.

use std::sync::Arc;
use std::time::Duration;

use hub_core::backplane::{Backplane, InProcess};
use hub_core::conformance::{self, Cluster, Link, Switched};

/// Processes that share one backplane in memory, with a switch.
struct Memory(Switched<InProcess>);

impl Cluster for Memory {
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

#[tokio::test(start_paused = true)]
async fn a_switch_around_the_one_in_process_conforms_also_when_it_is_cut() {
    let report = conformance::run(&Memory(Switched::new(InProcess::new()))).await.unwrap();
    assert!(report.left_out.is_empty(), "{report}");
    println!("{report}");
}
