//! Hosts the hub; see the library's first lines.

use std::io::{self, Write};
use std::process::ExitCode;

use axum::Router;
use futures_util::{Stream, StreamExt, stream};
use hub_core::{Result, Untyped, Upload};
use hub_server::{Hub, HubOptions, HubRoute, hub};
use tokio::net::TcpListener;
use two_apps::{Command, Count, Length, PlantHub, Reading, messages};

const USAGE: &str = "usage: plant [ADDRESS]";

const HELP: &str = "
Hosts the hub that `control` connects to, at http://ADDRESS/plant: 127.0.0.1:5000 unless given. For each exchange it
prints how fast commands came.";

struct Plant;

impl Hub for Plant {
    type Client = Untyped;
}

#[hub]
impl PlantHub for Plant {
    fn exchange(&self, length: Length, commands: Upload<Command>) -> impl Stream<Item = Result<Reading>> {
        let sensors = ["boiler", "inlet", "outlet"];
        let readings = messages(length, move |number| Reading {
            number,
            sensor: sensors[(number % 3) as usize].to_owned(),
            degrees: 20.0 + (number % 600) as f64 / 10.0,
        });
        // Commands are taken while readings are sent. With the end of the call its upload would end as well, so it lasts
        // until there are no more.
        let obeyed = tokio::spawn(obey(commands));
        let end = stream::once(async { obeyed.await?.map(|()| None) });
        readings.map(|reading| Ok(Some(reading))).chain(end).filter_map(|item| async { item.transpose() })
    }
}

/// Does nothing but count them.
async fn obey(mut commands: Upload<Command>) -> Result<()> {
    let mut count = Count::new();
    while let Some(command) = commands.next().await {
        count.take(command?.number);
    }
    say(&format!("commands received: {}", count.rate()));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    if address == "--help" || address == "-h" {
        say(&format!("{USAGE}\n{HELP}"));
        return ExitCode::SUCCESS;
    }
    match serve(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot serve on {address}: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// Says something to whoever watches. The plant works as well when nobody does.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    // How many commands may wait for the task that takes them: the more, the less often it has to be woken.
    let options = HubOptions { stream_buffer_capacity: 1000, ..HubOptions::default() };
    let plant = HubRoute::new(|_| Plant).options(options).map_err(io::Error::other)?;
    let app: Router = Router::new().merge(plant.at("/plant"));
    hub_server::serve(listener, app).await
}
