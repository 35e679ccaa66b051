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
    if let Some(node) = NodeId::of(connection).filter(|node| *node != attachment.node()) {
        let listening = attachment.publish_counted(&Topic::Node(node), delivery).await?;
        if listening > 0 {
            return Ok(listening);
        }
    }
    attachment.publish_counted(&Topic::Connection(connection.clone()), delivery).await
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
    let mut by_node: HashMap<Option<NodeId>, Vec<ConnectionId>> = HashMap::new();
    for id in ids {
        by_node.entry(NodeId::of(&id)).or_default().push(id);
    }
    let to_node = |(node, ids): (Option<NodeId>, Vec<ConnectionId>)| async move {
        if let Some(node) = node.filter(|node| *node != attachment.node()) {
            let direct = Delivery::Direct { message: message.clone(), to: ids.clone() };
            if attachment.publish_counted(&Topic::Node(node), &direct).await? > 0 {
                return Ok(());
            }
        }
        let mut result = Ok(());
        for id in ids {
            let direct = Delivery::Direct { message: message.clone(), to: vec![id.clone()] };
            result = result.and(attachment.publish(&Topic::Connection(id), &direct).await);
        }
        result
    };
    together(by_node.into_iter().map(to_node)).await.into_iter().collect()
}
