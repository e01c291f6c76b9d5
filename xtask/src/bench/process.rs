//! What the system tells of a process: the processor time it has used and the memory it has taken.

use std::fs;

/// Processor time used so far, where `/proc` tells it: ticks of a hundredth of a second.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// A size of `/proc/PID/status`, as `VmHWM:`, in bytes.
pub(super) fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rest = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes = rest.trim().strip_suffix(" kB")?.trim();
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}
