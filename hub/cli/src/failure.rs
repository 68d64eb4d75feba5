//! Everything that keeps the command line from doing what it was asked for, with what to do.

use std::{error::Error as _, io, path::PathBuf};

use prost::Message;
use proto::v1::Problem;
use tonic::{Code, Status};

/// Why nothing came of a call.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot choose a TLS provider")]
    Provider,
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot read the context {}", path.display())]
    Context { path: PathBuf, source: io::Error },
    #[error("{} is not a context of a hub: {why}", path.display())]
    NotAContext { path: PathBuf, why: String },
    #[error("the context {} holds no usable {what}", path.display())]
    Unusable { path: PathBuf, what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot reach the hub at {address}")]
    Unreachable { address: String, context: PathBuf, source: io::Error },
    #[error("the hub at {address} did not answer within {seconds} s")]
    Silent { address: String, seconds: u64 },
    #[error("what answers at {address} is not the hub of the context {}", context.display())]
    NotTheHub { address: String, context: PathBuf, source: io::Error },
    #[error("the hub at {address} does not take the certificate of the context {}", context.display())]
    NotTaken { address: String, context: PathBuf },
    #[error("the connection to the hub at {address} broke")]
    Broken { address: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{message}")]
    Refused { reason: String, message: String, details: Vec<String>, hint: String, unavailable: bool },
    #[error("cannot read {name}")]
    File { name: String, source: io::Error },
    #[error("cannot read {name}: {why}")]
    Manifest { name: String, why: String },
    #[error("{name} is larger than the {most} bytes that a hub reads")]
    TooLarge { name: String, most: u64 },
    #[error("{message}")]
    Usage { message: String, hint: String },
    #[error("the hub answered with what is no JSON: {what}")]
    NoJson { what: &'static str, source: serde_json::Error },
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
    #[error("cannot make a private key")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot write {}", path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("operator {name} was added, but the key is lost: cannot write {}", path.display())]
    KeyLost { name: String, path: PathBuf, source: io::Error },
    #[error("cannot get random bytes: {0}")]
    Random(getrandom::Error),
}

impl Failure {
    /// What a status of the hub at `address` means.
    pub fn of_status(address: &str, context: &std::path::Path, status: &Status) -> Self {
        if alerted(status) {
            return Self::NotTaken { address: address.to_owned(), context: context.to_owned() };
        }
        let problem = Some(status.details()).filter(|details| !details.is_empty()).map(Problem::decode);
        if let Some(Ok(Problem { reason, message, hint, details })) = problem {
            let unavailable = status.code() == Code::Unavailable;
            return Self::Refused { reason, message, details, hint, unavailable };
        }
        match status.code() {
            Code::Cancelled | Code::DeadlineExceeded => {
                Self::Silent { address: address.to_owned(), seconds: crate::hub::ANSWER_WITHIN.as_secs() }
            }
            Code::Unavailable | Code::Unknown => {
                Self::Broken { address: address.to_owned(), source: told(status) }
            }
            code => Self::Refused {
                reason: format!("grpc.{code:?}"),
                message: status.message().to_owned(),
                details: Vec::new(),
                hint: without_problem(code).to_owned(),
                unavailable: false,
            },
        }
    }

    /// A file that is not what it should be. Of what a parser says only the first line: it has the place, and what comes
    /// after draws it.
    pub fn manifest(name: String, source: impl std::error::Error) -> Self {
        let text = source.to_string();
        let first = text.lines().next().unwrap_or_default();
        Self::Manifest { name, why: first.strip_prefix("error: ").unwrap_or(first).to_owned() }
    }

    /// Whether the same call may succeed a little later without anybody's doing.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Broken { .. } => true,
            Self::Refused { unavailable, .. } => *unavailable,
            Self::Provider
            | Self::Runtime(_)
            | Self::Context { .. }
            | Self::NotAContext { .. }
            | Self::Unusable { .. }
            | Self::NotTheHub { .. }
            | Self::NotTaken { .. }
            | Self::File { .. }
            | Self::Manifest { .. }
            | Self::TooLarge { .. }
            | Self::Usage { .. }
            | Self::NoJson { .. }
            | Self::Output(_)
            | Self::Key(_)
            | Self::NotWritten { .. }
            | Self::KeyLost { .. }
            | Self::Random(_) => false,
        }
    }

    /// Where the hub keeps back a rollout because it would delete much: the number that lets it happen.
    pub fn deletions_to_confirm(&self) -> Option<u32> {
        let Self::Refused { reason, hint, .. } = self else { return None };
        if reason != "rollout.deletions_unconfirmed" {
            return None;
        }
        let mut words = hint.split_whitespace().skip_while(|word| *word != "--confirm-deletions");
        words.nth(1)?.parse().ok()
    }

    /// Usage is told from what was refused or failed.
    pub fn exit_code(&self) -> u8 {
        if let Self::Usage { .. } = self { 2 } else { 1 }
    }

    /// Whoever read the output has read enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What happened, with its causes.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = without_number(&error.to_string());
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        text
    }

    /// Each thing that stands against what was asked for, where there are several.
    pub fn details(&self) -> &[String] {
        if let Self::Refused { details, .. } = self { details } else { &[] }
    }

    /// A stable code.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason,
            Self::Context { .. } | Self::NotAContext { .. } | Self::Unusable { .. } => "client.context",
            Self::Unreachable { .. } => "client.unreachable",
            Self::Silent { .. } => "client.timeout",
            Self::NotTheHub { .. } | Self::NotTaken { .. } => "client.tls",
            Self::Broken { .. } => "client.connection",
            Self::File { .. }
            | Self::Manifest { .. }
            | Self::TooLarge { .. }
            | Self::NotWritten { .. }
            | Self::KeyLost { .. } => "client.file",
            Self::Usage { .. } => "client.usage",
            Self::NoJson { .. } => "client.answer",
            Self::Provider | Self::Runtime(_) | Self::Output(_) | Self::Key(_) | Self::Random(_) => {
                "client.system"
            }
        }
    }

    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::Refused { hint, .. } | Self::Usage { hint, .. } => hint,
            Self::NoJson { .. } => "hub and command line are of different versions: use those of one release",
            Self::Context { .. } => {
                "a hub writes it at its first start (`hub serve`); name another with --context FILE or MESHFLEET_CONTEXT"
            }
            Self::NotAContext { .. } | Self::Unusable { .. } => {
                "use the file that the hub wrote; a hub writes it anew at each start"
            }
            Self::Unreachable { context, .. } => {
                return format!(
                    "is the hub running (`hub serve`)? The address stands in {}; a hub writes it anew at each start",
                    context.display()
                );
            }
            Self::Silent { .. } => "look at the hub's log; what was asked for may have been done",
            Self::NotTheHub { .. } => {
                "use the context that this very hub wrote, or the address of the other one"
            }
            Self::NotTaken { .. } => {
                "it may be of another hub, expired or revoked: use the context that this hub wrote"
            }
            Self::Broken { .. } => "try again; `meshfleet status` tells what was done",
            Self::TooLarge { .. } => "split it into several files, and apply them one by one",
            Self::File { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                "name the files in it: `-f FOLDER/*.yaml`"
            }
            Self::NotWritten { .. } => "nothing was done; name another file with --out",
            Self::KeyLost { name, .. } => {
                return format!("revoke the operator, `meshfleet operator revoke {name}`, and add a new one");
            }
            Self::Manifest { .. } => {
                "-f takes a Pod or a workload, --sccs what `oc get scc,csidriver -o yaml` prints, --namespace-file a \
                 Namespace, each in YAML or JSON; --cases takes JSON"
            }
            Self::File { .. }
            | Self::Key(_)
            | Self::Provider
            | Self::Runtime(_)
            | Self::Output(_)
            | Self::Random(_) => "",
        };
        hint.to_owned()
    }
}

/// What the operating system says, without its number: `Is a directory (os error 21)` is `Is a directory`.
fn without_number(said: &str) -> String {
    match said.rsplit_once(" (os error ") {
        Some((words, number)) if number.trim_end_matches(')').bytes().all(|byte| byte.is_ascii_digit()) => {
            words.to_owned()
        }
        _ => said.to_owned(),
    }
}

fn without_problem(code: Code) -> &'static str {
    match code {
        Code::Unimplemented => "hub and command line are of different versions: use those of one release",
        Code::Unauthenticated | Code::PermissionDenied => "use a context of an operator who may do this",
        _ => "",
    }
}

fn told(status: &Status) -> Box<dyn std::error::Error + Send + Sync> {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.into()
}

/// Whether the other side ended TLS with an alert: it did not take our certificate. In TLS 1.3 that comes after the
/// handshake, and what carries it through HTTP/2 keeps only rustls's words for it.
fn alerted(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.to_string().contains("received fatal alert") {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_no_file() {
        let source = std::fs::read_to_string("/").unwrap_err();
        let failure = Failure::File { name: "/".to_owned(), source };
        assert_eq!(failure.chain(), "cannot read /: Is a directory");
        assert_eq!(failure.hint(), "name the files in it: `-f FOLDER/*.yaml`");
    }
}
