//! `hubcall`: calls and listens to SignalR hubs from a shell. What curl is to HTTP. See [`args::HELP`].
//!
//! In reading order: `args.rs` reads the command line, `run.rs` connects and does what it says, `value.rs` is what
//! MessagePack carries and JSON prints, `output.rs` is the standard output, `failure.rs` the exit codes, `interrupt.rs`
//! Ctrl-C.

mod args;
mod failure;
mod interrupt;
mod output;
mod run;
mod value;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::args::Parsed;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start() -> Result<(), Failure> {
    let command = match args::parse(std::env::args_os().skip(1))? {
        Parsed::Run(command) => command,
        Parsed::Print(text) => {
            let mut output = Output::new();
            output.line(text.trim_end())?;
            return output.flush();
        }
    };
    // The driver has a thread of its own: it goes on while whoever reads the output takes their time.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Connection(format!("there are no threads to run on: {error}")))?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::listen();
        run::run(command, interrupt).await
    });
    // Neither a name that is still being looked up nor a server that takes its leave is waited for.
    runtime.shutdown_background();
    outcome
}
