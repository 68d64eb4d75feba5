//! Secrets in documents are refused (`secret.inline`): what is stored here is shown, sent and logged.

pub(super) const MESSAGE: &str = "a Secret is not taken (secret.inline)";
pub(super) const MESSAGE_OF_KEY: &str = "a private key stands here (secret.inline)";
pub(super) const HINT: &str =
    "keep it in a Secret of the cluster and write that Secret's name; if it was real, replace it";

/// Whether a text holds a private key in PEM. It must not be quoted either.
pub(super) fn is_private_key(text: &str) -> bool {
    text.split("-----BEGIN ")
        .skip(1)
        .any(|rest| rest.split_once("-----").is_some_and(|(label, _)| label.contains("PRIVATE KEY")))
}
