//! What our client calls the calls and uploads of the recorded one, and how their messages are compared.

use std::collections::HashMap;

use rmpv::Value;
use transcripts::{Ended, Lane, Names, arguments, ended, field, invocation_id, kind, target};

use crate::program::Key;

/// The ids that our client gave, by the recorded ones: it numbers on where .NET begins anew (P-INV-16).
#[derive(Default)]
pub(crate) struct Ids(HashMap<Key, String>);

impl Ids {
    /// The lane that messages of our client are in.
    pub(crate) fn lane(&self, conn: u32, recorded: &Lane) -> Lane {
        let own = |id: &String| self.0.get(&(conn, id.clone())).unwrap_or(id).clone();
        match recorded {
            Lane::Items(id) => Lane::Items(own(id)),
            Lane::Completion(id) => Lane::Completion(own(id)),
            other => other.clone(),
        }
    }

    /// Compares a message of our client with the recorded one; ids met for the first time get their meaning here.
    pub(crate) fn compare(
        &mut self,
        conn: u32,
        lane: &Lane,
        recorded: &Value,
        live: &Value,
        names: &mut Names,
    ) -> Result<(), String> {
        match lane {
            Lane::Calls => {
                if (kind(recorded), target(recorded)) != (kind(live), target(live)) {
                    return Err("another call".to_owned());
                }
                let [recorded_streams, live_streams] = [recorded, live].map(|message| {
                    let streams = field(message, 5, "streamIds").and_then(Value::as_array);
                    streams.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
                });
                let [recorded_id, live_id] = [recorded, live].map(|message| invocation_id(message).map(str::to_owned));
                if recorded_streams.len() != live_streams.len() || recorded_id.is_some() != live_id.is_some() {
                    return Err("other ids".to_owned());
                }
                let recorded_ids = recorded_streams.into_iter().chain(recorded_id);
                for (recorded, live) in recorded_ids.zip(live_streams.into_iter().chain(live_id)) {
                    self.0.insert((conn, recorded), live);
                }
                names.unify(&arguments(recorded).to_vec().into(), &arguments(live).to_vec().into())
            }
            Lane::Items(_) => {
                let [recorded, live] = [recorded, live].map(|message| field(message, 3, "item").cloned());
                names.unify(&recorded.unwrap_or(Value::Nil), &live.unwrap_or(Value::Nil))
            }
            Lane::Completion(_) => match (ended(recorded), ended(live)) {
                (Ended::Value(recorded), Ended::Value(live)) => names.unify(&recorded, &live),
                (Ended::Void, Ended::Void) => Ok(()),
                (Ended::Error(recorded), Ended::Error(live)) if alike(&recorded, &live) => Ok(()),
                _ => Err("another end".to_owned()),
            },
            Lane::Cancellations => {
                let id = invocation_id(recorded).and_then(|id| self.0.get(&(conn, id.to_owned())));
                if id.map(String::as_str) == invocation_id(live) { Ok(()) } else { Err("another call's".to_owned()) }
            }
            Lane::Handshake | Lane::Close => names.unify(recorded, live),
        }
    }

    /// Puts our client's id in the place of the recorded one. Gives whether they differ.
    pub(crate) fn put_into(&self, conn: u32, message: &mut Value) -> bool {
        let Some(id) = invocation_id(message) else { return false };
        let Some(live) = self.0.get(&(conn, id.to_owned())).filter(|live| *live != id) else { return false };
        let place = match message {
            Value::Array(items) => items.get_mut(2),
            Value::Map(members) => {
                members.iter_mut().find(|(name, _)| name.as_str() == Some("invocationId")).map(|(_, id)| id)
            }
            _ => None,
        };
        place.map(|place| *place = live.as_str().into()).is_some()
    }
}

/// Whether the texts of two errors are the same, but for the words of .NET.
fn alike(recorded: &str, live: &str) -> bool {
    let own = "Stream errored by client: '";
    // P-CR-07: nobody was there to be asked, which .NET puts in other words.
    let nobody = ("Client failed to parse argument(s).", "Client didn't provide a result.");
    recorded == live || recorded.starts_with(own) && live.starts_with(own) || (recorded, live) == nobody
}
