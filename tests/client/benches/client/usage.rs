//! What this process has used so far, as Linux tells it.

use std::fs;

/// CPU time, in microseconds, in steps of 10 ms.
pub(crate) fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this is Linux");
    // Behind the name, which may hold anything: user and system time are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks of the clock");
    (ticks(11) + ticks(12)) * 10_000.0
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
