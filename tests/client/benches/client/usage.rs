//! What this process has used so far, as Linux tells it.

use std::fs;

/// CPU time, in microseconds.
pub(crate) fn cpu() -> f64 {
    program::cpu(std::process::id()).as_secs_f64() * 1e6
}

/// The memory that is resident now, and the most that was, in KiB.
pub(crate) fn memory() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is always there");
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<f64>().expect("kilobytes")
    };
    (of("VmRSS"), of("VmHWM"))
}
