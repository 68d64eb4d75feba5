//! Memory of this process, where the system tells it.

/// Resident memory in bytes; 0 where the system does not tell.
#[must_use]
pub fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&status).unwrap_or(0) * 1024
}

fn kibibytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_system_writes_it() {
        assert_eq!(kibibytes("VmPeak:\t   10 kB\nVmRSS:\t    5120 kB\n"), Some(5120));
        assert_eq!(kibibytes(""), None);
    }
}
