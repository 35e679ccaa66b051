//! Connects to the plant; see the library's first lines.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use futures_util::StreamExt;
use hub_client::Connection;
use hub_core::{CallError, Upload};
use two_apps::{Command, Count, Length, PlantHubProxy, messages};

const USAGE: &str = "usage: control [--url http://127.0.0.1:5000] [--seconds 5 | --messages COUNT]";

const HELP: &str = "
Sends commands to the plant and reads its sensors, both as fast as it goes, and prints how fast that was.

  --url URL         where `plant` listens: http://127.0.0.1:5000 unless given
  --seconds COUNT   for how long both send: 5 unless given
  --messages COUNT  how many messages each of them sends instead";

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        return say(format_args!("{USAGE}\n{HELP}"));
    }
    let (url, length) = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return failed(format_args!("{error}\n{USAGE}"), 2),
    };
    match exchange(&url, length).await {
        Ok(count) => say(format_args!("readings received: {}", count.rate())),
        Err(error) => failed(format_args!("{error}"), 1),
    }
}

/// Says how it went, if anybody wants to know.
fn say(text: fmt::Arguments<'_>) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn failed(why: fmt::Arguments<'_>, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

fn options(mut words: impl Iterator<Item = String>) -> Result<(String, Length), String> {
    let (mut url, mut length) = ("http://127.0.0.1:5000".to_owned(), Length::Seconds(5));
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |value: String| value.parse().map_err(|_| format!("{word} is {value}, allowed is a whole number"));
        match &*word {
            "--url" => url = value()?,
            "--seconds" => length = Length::Seconds(number(value()?)?),
            "--messages" => length = Length::Messages(number(value()?)?),
            _ => return Err(format!("{word} is not an option")),
        }
    }
    Ok((url, length))
}

async fn exchange(url: &str, length: Length) -> Result<Count, CallError> {
    let connection = Connection::builder(format!("{url}/plant")).connect().await?;
    let plant = PlantHubProxy::new(connection.clone());
    let commands = messages(length, |number| Command {
        number,
        valve: if number % 2 == 0 { "inlet" } else { "outlet" }.to_owned(),
        open: number % 3 == 0,
    });
    // Commands leave while readings are read.
    let mut readings = plant.exchange(length, Upload::new(commands));
    let mut count = Count::new();
    while let Some(reading) = readings.next().await {
        count.take(reading?.number);
    }
    connection.stop().await;
    Ok(count)
}
