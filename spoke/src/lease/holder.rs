//! Who holds a Lease: a name that lets a successor see that its predecessor is dead.
//!
//! A process is named by the boot, its process namespace, its number and its start time. Whoever runs in the same
//! namespace of the same boot can look whether that process is still there; anybody else knows nothing and waits.

use std::{fmt, fs};

/// The name of a process that may hold the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(String);

impl Holder {
    /// This process. `random` stands in where the system does not tell enough.
    #[must_use]
    pub fn this_process(random: [u8; 16]) -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let place = place();
        let name = match (place, started(pid)) {
            (Some(place), Some(started)) => format!("{place}_{pid}_{started}"),
            _ => random.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Self(name)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` was a process beside this one that is no more.
    #[must_use]
    pub fn knows_dead(&self, other: &str) -> bool {
        let Some(place) = place() else { return false };
        let Some(process) = other.strip_prefix(&place).and_then(|rest| rest.strip_prefix('_')) else {
            return false;
        };
        let Some((pid, start)) = process.split_once('_') else { return false };
        let Ok(pid) = pid.parse() else { return false };
        match started(pid) {
            Some(now) => now != start,
            None => is_gone(pid),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The boot and the process namespace that this process runs in, where the system tells.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let digits: String = namespace.to_str()?.chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}_{digits}", boot.trim()))
}

/// When a process started, in the system's own ticks; `dead` for one that only waits to be buried.
fn started(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; the start is the 20th field after it, the state the first.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.clone().next(), Some("Z" | "X")) {
        return Some("dead".to_owned());
    }
    fields.nth(19).map(str::to_owned)
}

/// Whether there is no such process. One that is only hidden from us answers otherwise.
fn is_gone(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_holder_is_not_dead_and_a_stranger_is_not_known() {
        let me = Holder::this_process([1; 16]);
        assert!(!me.knows_dead(me.as_str()));
        assert!(!me.knows_dead("another-boot_1_2_3"));
        assert!(!me.knows_dead(""));
    }

    #[test]
    fn a_process_that_is_no_more_is_dead() {
        let me = Holder::this_process([1; 16]);
        let Some(place) = place() else { return };
        assert!(
            me.knows_dead(&format!("{place}_{}_1", std::process::id())),
            "another start of the same number"
        );
        assert!(me.knows_dead(&format!("{place}_2147483646_1")));
    }
}
