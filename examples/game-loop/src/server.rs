//! The hub: it keeps who is where, and passes it on.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use hub_core::{ConnectionId, HubError, Result};
use hub_server::{Context, DisconnectReason, Hub, HubRoute, hub};
use tokio::net::TcpListener;

use crate::contract::{GameClientProxy, GameHub, Player, Position};

/// What all calls share.
#[derive(Default)]
struct World {
    players: Mutex<HashMap<ConnectionId, Player>>,
    last_number: AtomicU64,
}

impl World {
    fn players(&self) -> MutexGuard<'_, HashMap<ConnectionId, Player>> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One value per call.
struct Arena {
    cx: Context<Self>,
    world: Arc<World>,
}

impl Hub for Arena {
    type Client = GameClientProxy;

    async fn disconnected(&self, _: &DisconnectReason) {
        let gone = self.world.players().remove(self.cx.connection_id());
        if let Some(player) = gone {
            // Nobody is left who could be told of an error.
            let _ = self.cx.others().left(player.number).await;
        }
    }
}

#[hub]
impl GameHub for Arena {
    async fn enter(&self, name: &str) -> Result<(u64, Vec<Player>)> {
        if name.is_empty() || name.chars().count() > 24 || name.chars().any(char::is_control) {
            return Err(HubError::public("A name has 1 to 24 characters."));
        }
        let number = self.world.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let player = Player { number, name: name.to_owned(), at: Position::default() };
        let others = {
            let mut players = self.world.players();
            // Whoever enters twice is one player, with a new number.
            players.remove(self.cx.connection_id());
            let others = players.values().cloned().collect();
            players.insert(self.cx.connection_id().clone(), player.clone());
            others
        };
        self.cx.others().moved(&player).await?;
        Ok((number, others))
    }

    async fn moved(&self, to: Position) {
        let player = self.world.players().get_mut(self.cx.connection_id()).map(|player| {
            player.at = to;
            player.clone()
        });
        // A notice has no answer: one from somebody who is not in the game is ignored.
        if let Some(player) = player {
            let _ = self.cx.others().moved(&player).await;
        }
    }
}

/// Serves the hub at `/game`, until the program is ended.
pub(crate) fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener =
            TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
        // It serves those who know the address as well.
        let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);
        let world = Arc::<World>::default();
        let arena = HubRoute::new(move |cx| Arena { cx, world: Arc::clone(&world) });
        let app: Router = Router::new().merge(arena.at("/game"));
        hub_server::serve(listener, app).await?;
        Ok(())
    })
}
