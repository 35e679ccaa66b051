//! How it can end, other than well: the exit codes, and what is said on standard error.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use hub_client::{ConnectError, Ended};
use hub_core::CallError;

/// Why the program ends with another code than 0.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The hub answered with an error: its own text.
    Hub(String),
    /// The command line makes no sense.
    Usage(String),
    /// There is no connection, or none any more.
    Connection(String),
    /// `--timeout` has passed.
    TimedOut(String),
    /// What came cannot be written.
    Output(String),
    /// Whoever reads the output wants no more of it, which is none of their faults.
    ReaderGone,
    /// By this signal.
    Interrupted(u8),
}

impl Failure {
    /// This did not happen within the time of `--timeout`.
    pub(crate) fn timed_out(what: &str, after: Duration) -> Self {
        Self::TimedOut(format!("no {what} within {after:?}, the --timeout"))
    }

    /// Says what there is to say. Gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Hub(text) if text.trim().is_empty() => {
                told(1, "hubcall: the hub answered with an error without a text")
            }
            // As it is, so that scripts can tell errors apart.
            Self::Hub(text) => told(1, text),
            Self::Usage(text) => told(2, format_args!("hubcall: {text}\nTry 'hubcall --help'.")),
            Self::Connection(text) => told(3, format_args!("hubcall: {text}")),
            Self::TimedOut(text) => told(4, format_args!("hubcall: {text}")),
            Self::Output(text) => told(5, format_args!("hubcall: {text}")),
            Self::ReaderGone => ExitCode::SUCCESS,
            // As shells count.
            Self::Interrupted(signal) => ExitCode::from(128 + signal),
        }
    }
}

fn told(code: u8, text: impl Display) -> ExitCode {
    complain(text);
    ExitCode::from(code)
}

/// Says something on standard error.
pub(crate) fn complain(text: impl Display) {
    use io::Write;

    // Where it is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Option(option) => Self::Usage(option.to_string()),
            error @ ConnectError::Token(_) => Self::Usage(error.to_string()),
            error => Self::Connection(error.to_string()),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Remote(text) => Self::Hub(text),
            CallError::Encode(text) => Self::Usage(text),
            // What the hub answered with is no value.
            CallError::Decode(text) => Self::Hub(text),
            lost => Self::Connection(lost.to_string()),
        }
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Connection(ended.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Output(format!("standard output cannot be written: {error}")),
        }
    }
}
