//! What is applied in a cluster so that its spoke runs there: one manifest with everything. Pure.
//!
//! The pieces lie beside the spoke, in `spoke/deploy`, because they say what the spoke needs; the hub only fills in what
//! differs from cluster to cluster.

use jiff::Timestamp;

/// Namespace, service account and rights of the spoke, verb by verb.
pub const RIGHTS: &str = include_str!("../../../spoke/deploy/rbac.yaml");

/// The token's Secret and the Deployment. What stands as `$(...)` is filled in, each as a quoted text.
const DEPLOYMENT: &str = include_str!("../../../spoke/deploy/deployment.yaml");

/// The namespace that the spoke lives in.
pub const NAMESPACE: &str = hub_core::fleet::SPOKE_NAMESPACE;

/// The service account of the spoke, its roles and their bindings have one name.
pub const ACCOUNT: &str = "meshfleet-spoke";

/// Longest name of an image, and of a hub.
const LONGEST: usize = 512;

/// What differs from cluster to cluster. Without `Debug`: the token is secret.
#[derive(Clone, Copy)]
pub struct Installation<'a> {
    /// The image of the spoke.
    pub image: &'a str,
    /// Where the spoke reaches the hub: `HOST:PORT`.
    pub hub: &'a str,
    /// The enrolment token.
    pub token: &'a str,
    /// When the token ends: it tells one invitation from the next.
    pub expires_at: Timestamp,
}

/// What of an installation cannot be used, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The image.
    #[error(
        "no name of an image: it has letters, digits and any of . _ - / : @, as in `registry.example.com/spoke:1.2`"
    )]
    Image,
    /// The hub.
    #[error("no address of a hub: it is HOST:PORT, as in `hub.example.com:7443`")]
    Hub,
}

/// Whether a text can name an image. Whether there is one of that name is for the cluster to say.
///
/// # Errors
/// If it cannot.
pub fn image(text: &str) -> Result<(), Mistake> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    let named = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if named && text.len() <= LONGEST && text.bytes().all(known) { Ok(()) } else { Err(Mistake::Image) }
}

/// Whether a text can be the address of a hub.
///
/// # Errors
/// If it cannot.
pub fn hub(text: &str) -> Result<(), Mistake> {
    let (host, port) = text.rsplit_once(':').ok_or(Mistake::Hub)?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let sound = !host.is_empty() && text.len() <= LONGEST && host.bytes().all(known);
    match port.parse::<u16>() {
        Ok(port) if sound && port > 0 => Ok(()),
        Ok(_) | Err(_) => Err(Mistake::Hub),
    }
}

/// The manifest for `kubectl apply -f -`.
#[must_use]
pub fn manifest(installation: Installation<'_>) -> String {
    let Installation { image, hub, token, expires_at } = installation;
    let mut deployment = DEPLOYMENT.to_owned();
    for (place, text) in [
        ("$(IMAGE)", image),
        ("$(HUB)", hub),
        ("$(TOKEN)", token),
        ("$(INVITATION)", &format!("ends {expires_at}")),
    ] {
        // JSON's text is YAML's too, and nothing in it can end it.
        deployment = deployment.replace(place, &serde_json::Value::from(text).to_string());
    }
    format!("{}\n---\n{deployment}", RIGHTS.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_image_or_an_address_is_taken() {
        for text in ["spoke", "registry.example.com:5000/mesh/spoke:1.2", "a/b@sha256:0f"] {
            assert_eq!(image(text), Ok(()), "{text}");
        }
        for text in ["", "-x", "a b", "a\nb: c", "$(TOKEN)", &"x".repeat(LONGEST + 1)] {
            assert_eq!(image(text), Err(Mistake::Image), "{text}");
        }
        for text in ["hub.example.com:7443", "10.0.0.1:1", "[::1]:7443"] {
            assert_eq!(hub(text), Ok(()), "{text}");
        }
        for text in ["", "hub", "hub:", ":1", "hub:0", "hub:70000", "https://hub:1", "$(IMAGE):1"] {
            assert_eq!(hub(text), Err(Mistake::Hub), "{text}");
        }
    }

    #[test]
    fn the_token_stands_in_the_manifest_once_and_nothing_is_left_to_fill_in() {
        let expires_at = Timestamp::UNIX_EPOCH;
        let text =
            manifest(Installation { image: "spoke:1", hub: "hub:7443", token: "mf1.secret", expires_at });
        assert_eq!(text.matches("mf1.secret").count(), 1, "{text}");
        let filled = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(filled.clone().all(|line| !line.contains("$(")), "{text}");
        for line in ["image: \"spoke:1\"", "- \"hub:7443\"", "token: \"mf1.secret\""] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
