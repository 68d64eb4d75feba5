//! Times as people say them.

use jiff::Timestamp;

/// How long ago something was: `12s`, `5m`, `3h`, `4d`. What is no time is shown as it came; nothing is nothing.
pub fn ago(now: Timestamp, rfc3339: &str) -> String {
    let Ok(then) = rfc3339.parse::<Timestamp>() else { return rfc3339.to_owned() };
    match now.duration_since(then).as_secs() {
        // Clocks differ a little.
        ..=0 => "now".to_owned(),
        seconds => span(seconds),
    }
}

/// A span of time in its largest unit that says enough.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long it is until something: `10m`, `364d`.
pub fn until(now: Timestamp, rfc3339: &str) -> String {
    let Ok(then) = rfc3339.parse::<Timestamp>() else { return rfc3339.to_owned() };
    span(then.duration_since(now).as_secs().max(0))
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

/// A text in which times of the hub stand, with each as people say it: the time of day, and how far it is from now.
pub fn spoken(now: Timestamp, text: &str) -> String {
    let said = |word: &str| {
        let bare = word.trim_matches(|letter| matches!(letter, '(' | ')' | ',' | ';' | '.'));
        let time: Timestamp = bare.parse().ok()?;
        let distance = match time.duration_since(now).as_secs() {
            seconds @ 1.. => format!("in {}", span(seconds)),
            _ => since(now, bare),
        };
        Some(word.replace(bare, &format!("{}, {distance}", time.strftime("%H:%M:%SZ"))))
    };
    let words = text.split(' ').map(|word| said(word).unwrap_or_else(|| word.to_owned()));
    words.collect::<Vec<_>>().join(" ")
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
        assert_eq!(until(now, "2026-11-24T10:10:00Z"), "10m");
        assert_eq!(until(now, "2026-11-24T09:10:00Z"), "0s");
    }

    #[test]
    fn times_in_a_text_are_said_as_people_say_them() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("heard last at 2026-11-24T09:59:30.0Z", "heard last at 09:59:30Z, 30s ago"),
            ("not healthy yet (until 2026-11-24T10:15:00.5Z)", "not healthy yet (until 10:15:00Z, in 15m)"),
            ("Istio 1.17 has had no fixes since 2023-10-27", "Istio 1.17 has had no fixes since 2023-10-27"),
            ("", ""),
        ] {
            assert_eq!(spoken(now, text), expected);
        }
    }
}
