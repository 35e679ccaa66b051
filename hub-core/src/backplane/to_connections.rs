//! To connections by their ids, on whichever nodes they are.

use std::collections::HashMap;

use super::{Attachment, Delivery, Framed, NodeId, Topic, Unreachable};
use crate::message::ConnectionId;
use crate::together::together;

/// Publishes what is for one connection: to the node that made its id, or, where that node is gone or is this one, to
/// the connection's own topic. Gives how many nodes listened; 0 means that there is no such connection elsewhere.
///
/// # Errors
/// See [`Attachment::publish_counted`].
pub async fn publish_to_connection(
    attachment: &dyn Attachment,
    connection: &ConnectionId,
    delivery: &Delivery,
) -> Result<usize, Unreachable> {
    match to_maker(attachment, NodeId::of(connection), delivery).await? {
        0 => attachment.publish_counted(&Topic::Connection(connection.clone()), delivery).await,
        listening => Ok(listening),
    }
}

/// Publishes to the node that made an id. Gives how many listened: 0 where it is gone, or is this one, or there is none.
async fn to_maker(
    attachment: &dyn Attachment,
    maker: Option<NodeId>,
    delivery: &Delivery,
) -> Result<usize, Unreachable> {
    match maker.filter(|node| *node != attachment.node()) {
        Some(node) => attachment.publish_counted(&Topic::Node(node), delivery).await,
        None => Ok(0),
    }
}

/// Publishes a message for connections: once to each node that made some of their ids, all at the same time, and to the
/// connections' own topics where that node is gone or is this one. Each id has to be named once.
///
/// # Errors
/// When some of them could not be reached. The others have it.
pub async fn publish_to_connections(
    attachment: &dyn Attachment,
    ids: impl IntoIterator<Item = ConnectionId>,
    message: &Framed,
) -> Result<(), Unreachable> {
    let mut by_maker: HashMap<Option<NodeId>, Vec<ConnectionId>> = HashMap::new();
    for id in ids {
        by_maker.entry(NodeId::of(&id)).or_default().push(id);
    }
    let send = |(maker, ids): (Option<NodeId>, Vec<ConnectionId>)| async move {
        let direct = Delivery::Direct { message: message.clone(), to: ids.clone() };
        if to_maker(attachment, maker, &direct).await? > 0 {
            return Ok(());
        }
        let mut result = Ok(());
        for id in ids {
            let direct = Delivery::Direct { message: message.clone(), to: vec![id.clone()] };
            result = result.and(attachment.publish(&Topic::Connection(id), &direct).await);
        }
        result
    };
    together(by_maker.into_iter().map(send)).await.into_iter().collect()
}
