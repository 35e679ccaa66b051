//! What benchmarks measure programs with.

use std::time::Duration;

/// The CPU time that a process has used so far, as Linux tells it.
pub fn cpu(process: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("this is Linux, and it runs");
    // The first figure of each thread: nanoseconds on a CPU.
    let nanoseconds = tasks.map(|task| {
        let text = std::fs::read_to_string(task.expect("a thread").path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|figure| figure.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The middle one of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
