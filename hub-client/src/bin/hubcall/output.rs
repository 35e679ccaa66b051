//! The standard output: a line for each value.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::failure::Failure;

/// Collects lines while more of them are ready; the reader gets whole ones.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes())?;
        Ok(self.0.write_all(b"\n")?)
    }

    /// Hands over what was collected: to be called before anything is waited for.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}
