//! Connects to the plant; see the library's first lines.

use std::process::ExitCode;

use futures_util::StreamExt;
use hub_client::Connection;
use hub_core::{CallError, Upload};
use two_apps::{Command, Count, Length, PlantHubProxy, messages};

const USAGE: &str = "usage: control [--url http://127.0.0.1:5000] [--seconds 5 | --messages COUNT]";

#[tokio::main]
async fn main() -> ExitCode {
    let (url, length) = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match exchange(&url, length).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
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

async fn exchange(url: &str, length: Length) -> Result<(), CallError> {
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
    println!("readings received: {}", count.rate());
    connection.stop().await;
    Ok(())
}
