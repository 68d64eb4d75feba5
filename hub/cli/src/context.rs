//! The context: the file that says where a hub is, how to know it, and who the operator is there.
//!
//! It holds the operator's private key, so nothing of its content is ever shown but address and name.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::failure::Failure;

/// A context file.
#[derive(Deserialize)]
pub struct Context {
    /// Where it was read.
    #[serde(skip)]
    pub path: PathBuf,
    /// `HOST:PORT`.
    pub hub: String,
    /// PEM of the hub's authority.
    pub ca: String,
    /// PEM of the operator's certificate.
    pub certificate: String,
    /// PEM of the operator's private key.
    pub key: String,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("path", &self.path).field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl Context {
    /// Reads a context file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|source| Failure::Context { path: path.to_owned(), source })?;
        // What serde says of a wrong file may quote it, and what is in it may be a key.
        let unreadable = |error: serde_json::Error| Failure::NotAContext {
            path: path.to_owned(),
            why: format!("line {} column {}", error.line(), error.column()),
        };
        let context: Self = serde_json::from_slice(&text).map_err(unreadable)?;
        if context.hub.contains('/') || !context.hub.contains(':') {
            let why = "its `hub` is not HOST:PORT".to_owned();
            return Err(Failure::NotAContext { path: path.to_owned(), why });
        }
        Ok(Self { path: path.to_owned(), ..context })
    }
}

/// Where a hub on this machine, run by the same user without further settings, writes its first operator's context.
pub fn default_path() -> Result<PathBuf, Failure> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = if rustix::process::geteuid().is_root() {
        PathBuf::from("/var/lib/meshfleet")
    } else if let Some(data) = folder("XDG_DATA_HOME") {
        data.join("meshfleet")
    } else {
        let home = folder("HOME").ok_or_else(|| Failure::Context {
            path: PathBuf::from("~/.local/share/meshfleet"),
            source: io::Error::new(io::ErrorKind::NotFound, "HOME is not set"),
        })?;
        home.join(".local/share/meshfleet")
    };
    Ok(data.join("admin.context.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Context, Failure> {
        let path =
            env::temp_dir().join(format!("meshfleet-context-{}-{}.json", std::process::id(), text.len()));
        fs::write(&path, text).unwrap();
        let context = Context::read(&path);
        fs::remove_file(&path).unwrap();
        context
    }

    #[test]
    fn a_context_shows_no_key() {
        let good = r#"{"hub":"127.0.0.1:7443","name":"admin","ca":"A","certificate":"B","key":"SECRET"}"#;
        assert!(!format!("{:?}", read(good).unwrap()).contains("SECRET"));
        for bad in [
            r#"{"hub":"http://127.0.0.1:7443","name":"admin","ca":"A","certificate":"B","key":"SECRET"}"#,
            r#"{"hub":"127.0.0.1","name":"admin","ca":"A","certificate":"B","key":"SECRET"}"#,
            r#"{"hub":"127.0.0.1:7443","name":"admin","key":"SECRET"}"#,
            r#"{"hub":"127.0.0.1:7443","name":"admin","key":["SECRET"]}"#,
            "SECRET",
            "",
        ] {
            let failure = read(bad).unwrap_err();
            assert!(!failure.chain().contains("SECRET") && !failure.hint().contains("SECRET"), "{bad}");
        }
    }
}
