//! One wrong program for each mistake that a user can make, and what they read then.
//!
//! `UI_CASE=mut_self cargo test -p hub-macros --test ui` runs one of them; `TRYBUILD=overwrite` writes what is read
//! today. The texts of types are the compiler's own, so only the toolchain that wrote them is asked.

use std::env;
use std::process::Command;

const TOOLCHAIN: &str = "rustc 1.95.";

#[test]
fn ui() {
    let rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let version = rustc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !version.starts_with(TOOLCHAIN) {
        println!("skipped: the messages are those of {TOOLCHAIN}*, this is {version}");
        return;
    }
    let case = env::var("UI_CASE").unwrap_or_else(|_| "*".to_owned());
    trybuild::TestCases::new().compile_fail(format!("tests/ui/{case}.rs"));
}
