//! Values as the hub takes them: said here, a wrong one is a mistake of usage and no question to the hub.

/// The name of a cluster, also as `--output name` prints it.
pub fn cluster(text: &str) -> Result<String, String> {
    name(text.strip_prefix("cluster/").unwrap_or(text))
}

/// The name of a MeshConfig, also as `--output name` prints it.
pub fn config(text: &str) -> Result<String, String> {
    name(text.strip_prefix("meshconfig/").unwrap_or(text))
}

/// The name of a RolloutStrategy, also as `--output name` prints it.
pub fn strategy(text: &str) -> Result<String, String> {
    name(text.strip_prefix("rolloutstrategy/").unwrap_or(text))
}

/// The name of an operator, also as `--output name` prints it.
pub fn operator(text: &str) -> Result<String, String> {
    name(text.strip_prefix("operator/").unwrap_or(text))
}

/// Any name.
pub fn name(text: &str) -> Result<String, String> {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if (1..=63).contains(&text.len()) && text.bytes().all(inner) && ends {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends".to_owned())
}

/// The number of a rollout, also as `--output name` prints it.
pub fn rollout(text: &str) -> Result<u64, String> {
    text.strip_prefix("rollout/")
        .unwrap_or(text)
        .parse()
        .map_err(|_| "rollouts have numbers, as in `rollout show 3`: `meshfleet rollout list`".to_owned())
}

/// The number of a difference, also as it is shown: `#12`.
pub fn difference(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('#').unwrap_or(text).parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "differences have numbers, as `meshfleet drift report` shows".to_owned())
}

/// The number of a config's version, also as people say it: `v3`.
pub fn version(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('v').unwrap_or(text).parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "versions are numbered from 1, as `meshfleet config history NAME` shows".to_owned())
}

/// A span of time with its unit.
pub fn seconds(text: &str) -> Result<u32, String> {
    let (number, unit) =
        text.split_at(text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len());
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write a number and s, m or h, as in 10m".to_owned()),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        plain.then(|| number.parse().ok()).flatten().and_then(|number: u32| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| "write a whole number above 0, as in 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_carry_their_unit() {
        for (text, expected) in [("90s", Some(90)), ("10m", Some(600)), ("2h", Some(7200))] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["", "10", "m", "0m", "-1s", "1.5h", "99999999h", "10 m", "10d", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_can_be_typed() {
        assert_eq!(cluster("cluster/eks-eu-1").as_deref(), Ok("eks-eu-1"));
        assert_eq!(config("meshconfig/payments").as_deref(), Ok("payments"));
        assert_eq!((rollout("rollout/3"), rollout("3")), (Ok(3), Ok(3)));
        assert_eq!((version("v3"), version("3")), (Ok(3), Ok(3)));
        assert_eq!((difference("#12"), difference("12")), (Ok(12), Ok(12)));
        assert!(difference("#0").is_err() && difference("#").is_err());
        assert!(version("v0").is_err() && cluster("meshconfig/payments").is_err());
    }
}
