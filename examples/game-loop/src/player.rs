//! A player: the loop, and what the connection does in it.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hub_client::{Connection, Event, Polled, Reconnect};

use crate::contract::{GameHubProxy, Player};
use crate::game::Game;

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// Plays so many frames.
pub(crate) fn play(name: &str, url: &str, frames: u64) -> Result<(), Box<dyn Error>> {
    // Attempts to come back begin at once and become rarer, without end.
    let patience = Reconnect::exponential(Duration::from_millis(250), Duration::from_secs(5));
    // It connects in the background: the loop begins without waiting for it.
    let mut hub = Connection::builder(url).reconnect(patience).connect_polled()?;
    listen(&mut hub, name);
    let proxy = GameHubProxy::new(hub.connection().clone());

    let mut game = Game::default();
    let (mut frame, mut longest) = (Instant::now(), Duration::ZERO);
    while game.frames < frames && game.over.is_none() && !game.unseen {
        // What has come since the last frame happens to the game here, and nowhere else. Should it ever be too much, the
        // rest waits for the next frame.
        let began = Instant::now();
        hub.drain_for(&mut game, FRAME / 4);
        if game.number.is_some() {
            game.step();
            // It is handed over, not waited for. When it cannot be, then because the connection is lost: there will be an
            // event.
            let _ = hub.post(proxy.moved(game.me));
            game.draw();
        }
        longest = longest.max(began.elapsed());

        // The next frame begins a sixtieth of a second behind this one; after a pause nothing is made up for.
        frame = (frame + FRAME).max(Instant::now());
        sleep(frame.saturating_duration_since(Instant::now()));
    }
    // Says goodbye, so that the others hear of it at once.
    hub.stop();
    game.show(&format!("{} frames, the longest took {:.1} ms", game.frames, longest.as_secs_f64() * 1000.0));
    game.over.map_or(Ok(()), |why| Err(why.into()))
}

/// Says what the hub's calls and the connection's fortunes do to the game. All of it runs in `drain`, with the game as it
/// is then.
fn listen(hub: &mut Polled<Game>, name: &str) {
    hub.on("Moved", |game: &mut Game, player: Player| game.moved(player));
    hub.on("Left", |game: &mut Game, number: u64| game.left(number));

    let (calls, name) = (hub.calls(), name.to_owned());
    hub.on_event(move |game, event| match event {
        Event::Connected(_) | Event::Reconnected(_) => {
            // On a new connection the hub does not know this player. Its answer comes in its turn among the moves:
            // those that came before it are in it, those that come behind it are newer.
            let (proxy, name) = (GameHubProxy::new(calls.connection().clone()), name.clone());
            calls.spawn(async move { proxy.enter(&name).await }, |game, entered| match entered {
                Ok((number, others)) => game.enter(number, others),
                // Lost again, which is an event of its own, or refused.
                Err(error) => game.show(&format!("not in the game: {error}")),
            });
        }
        Event::Reconnecting(cause) => {
            game.show(&format!("reconnecting: {cause}"));
            game.lost();
        }
        Event::Closed(cause) => game.over = Some(cause.to_string()),
    });
}
