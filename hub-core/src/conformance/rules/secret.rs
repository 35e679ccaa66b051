//! The secret that the nodes of a hub have in common.

use crate::backplane::Topic;
use crate::conformance::bench::{Bench, Node, named_secret};
use crate::conformance::{Broken, Cluster, broken};

/// The first secret proposed becomes that of every node, also of one that comes later.
pub async fn the_first_secret_proposed_becomes_that_of_all_nodes<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [first, second] = bench.nodes().await?;
    let secret: [u8; 32] = std::array::from_fn(|at| if at % 2 == 0 { 0 } else { 255 - at as u8 });
    is_told(&bench, &first, secret, secret).await?;
    is_told(&bench, &second, [2; 32], secret).await?;
    let late = bench.node().await?;
    is_told(&bench, &late, [3; 32], secret).await?;
    // Nobody was told another in between.
    for node in [&first, &second, &late] {
        first.greet(&second).await?;
        if let Some(other) = node.inbox.kept().secrets.iter().find(|told| **told != secret) {
            return Err(broken(format!(
                "{node} was told the secret {}, which was not the first proposed",
                named_secret(other)
            )));
        }
    }
    Ok(())
}

/// Of secrets that several nodes propose at the same time, one becomes that of all.
pub async fn secrets_proposed_at_once_come_to_one<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let nodes = bench.nodes::<4>().await?;
    for (number, node) in nodes.iter().enumerate() {
        node.attachment.propose_secret([number as u8; 32]);
    }
    agree(&bench, &nodes.each_ref()).await.map(drop)
}

/// Hubs of different names have different secrets, on one backplane too.
pub async fn each_hub_has_its_own_secret<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let backplane = bench.backplane().await?;
    let nodes = ["", "Other", "other"].map(|suffix| bench.attach(&*backplane, &format!("{}{suffix}", bench.hub)));
    for (number, node) in nodes.iter().enumerate() {
        node.subscribe(&Topic::All).await?;
        is_told(&bench, node, [number as u8; 32], [number as u8; 32]).await?;
    }
    Ok(())
}

async fn is_told<C: Cluster>(
    bench: &Bench<'_, C>,
    node: &Node<'_, C>,
    proposed: [u8; 32],
    wanted: [u8; 32],
) -> Result<(), Broken> {
    node.attachment.propose_secret(proposed);
    let what = format_args!("{node} proposed a secret and was not told which it is to be");
    let told = bench.within(what, node.inbox.until(|kept| kept.secrets.last().copied())).await?;
    if told == wanted {
        return Ok(());
    }
    Err(broken(format!("{node} was told the secret {}, not {}", named_secret(&told), named_secret(&wanted))))
}

/// Waits until all were told the same secret last, and gives it.
pub(super) async fn agree<C: Cluster>(bench: &Bench<'_, C>, nodes: &[&Node<'_, C>]) -> Result<[u8; 32], Broken> {
    let agreed = async {
        loop {
            let told: Vec<_> = nodes.iter().map(|node| node.inbox.kept().secrets.last().copied()).collect();
            match told[0] {
                Some(secret) if told.iter().all(|told| *told == Some(secret)) => return secret,
                _ => bench.pause().await,
            }
        }
    };
    bench.within("not all nodes were told the same secret", agreed).await
}
