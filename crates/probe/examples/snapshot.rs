//! Looks at every process of this machine, and says what that cost:
//!
//!     cargo run --release -p scupper-probe --example snapshot [-- PROC]

#![expect(clippy::print_stdout, reason = "an example for people")]

use std::path::PathBuf;

use scupper_probe::{ProbeError, Proc, parse, snapshot};

fn main() -> Result<(), ProbeError> {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("/proc"), PathBuf::from);
    let proc_ = Proc::open(&root)?;
    let seen = snapshot::take(&proc_)?;
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let peak = std::fs::read("/proc/self/status").ok();
    let peak = peak.and_then(|status| parse::kilobytes(&status, "VmHWM"));
    let open: u64 = seen.processes.iter().filter_map(|one| Some(one.descriptors.as_ref()?.count)).sum();
    println!(
        "{} processes, {open} descriptors, {} pipes, {} unix sockets, {} TCP sockets, {} not readable",
        seen.processes.len(),
        seen.pipes.len(),
        seen.unix_sockets.as_ref().map_or_else(|| "unknown".to_owned(), |sockets| sockets.len().to_string()),
        seen.tcp.as_ref().map_or_else(|| "unknown".to_owned(), |sockets| sockets.len().to_string()),
        seen.unreadable.len(),
    );
    for one in seen.unreadable.iter().take(10) {
        println!("not readable: {} of {}: {}", one.what, one.pid, one.why);
    }
    println!(
        "CPU {}.{:03} s, RSS at most {}",
        cpu.tv_sec,
        cpu.tv_nsec / 1_000_000,
        peak.map_or_else(|| "unknown".to_owned(), |peak| peak.to_string()),
    );
    Ok(())
}
