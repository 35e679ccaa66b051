//! The backplane against real Redis servers, and their faults.

mod common;
mod credentials;
mod deliveries;
mod faults;
mod kinds;
mod losses;
mod refusals;
mod secrets;
