//! Times as people say them.

use jiff::Timestamp;

/// How long ago something was: `12s`, `5m`, `3h`, `4d`. What is no time is shown as it came; nothing is nothing.
pub fn ago(now: Timestamp, rfc3339: &str) -> String {
    let Ok(then) = rfc3339.parse::<Timestamp>() else { return rfc3339.to_owned() };
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        // Clocks differ a little.
        ..=0 => "now".to_owned(),
        1..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// As [`ago`], in a sentence: `12s ago`.
pub fn since(now: Timestamp, rfc3339: &str) -> String {
    match ago(now, rfc3339).as_str() {
        "" => String::new(),
        "now" => "now".to_owned(),
        age if age == rfc3339 => age.to_owned(),
        age => format!("{age} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (then, expected) in [
            ("2026-11-24T10:00:05Z", "now"),
            ("2026-11-24T09:59:48.5Z", "11s"),
            ("2026-11-24T09:55:00Z", "5m"),
            ("2026-11-24T06:30:00Z", "3h"),
            ("2026-11-20T06:30:00+02:00", "4d"),
            ("yesterday", "yesterday"),
            ("", ""),
        ] {
            assert_eq!(ago(now, then), expected, "{then}");
        }
        assert_eq!(since(now, "2026-11-24T09:55:00Z"), "5m ago");
        assert_eq!(since(now, ""), "");
    }
}
