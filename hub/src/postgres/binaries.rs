//! Where the server's programs are: systems put them outside the PATH, one folder a version.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{Error, OLDEST_MAJOR};

/// The programs of one version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

/// Folders of versions: the part before the star, what the names begin with, and what follows.
const LAYOUTS: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Finds the programs: those `named`, else the newest that the system has. Data of a version want that version.
pub(super) async fn find(named: Option<&Path>, wanted: Option<u32>, data: &Path) -> Result<Binaries, Error> {
    let folders = match named {
        Some(folder) => vec![folder.to_owned()],
        None => candidates().await,
    };
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| has_programs(folder)) {
        if let Some(major) = major(folder).await? {
            found.push(Binaries { folder: folder.clone(), major });
        }
    }
    choose(found, wanted, data, named)
}

fn choose(
    found: Vec<Binaries>,
    wanted: Option<u32>,
    data: &Path,
    named: Option<&Path>,
) -> Result<Binaries, Error> {
    let Some(first) = found.first().cloned() else {
        let looked =
            named.map_or("the usual folders and the PATH".to_owned(), |path| path.display().to_string());
        return Err(Error::NotFound { looked });
    };
    let Some(wanted) = wanted else {
        let newest = found.into_iter().find(|binaries| binaries.major >= OLDEST_MAJOR);
        return newest.ok_or(Error::TooOld { major: first.major, folder: first.folder });
    };
    let majors: Vec<String> = found.iter().map(|binaries| binaries.major.to_string()).collect();
    let same = found.into_iter().find(|binaries| binaries.major == wanted);
    same.ok_or_else(|| Error::OtherMajor { data: data.to_owned(), wanted, found: majors.join(", ") })
}

/// Every folder that may hold the programs, the likeliest first.
async fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = configured().await.into_iter().collect();
    let mut versions: Vec<PathBuf> = LAYOUTS.iter().flat_map(versions).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version_in(folder)));
    folders.extend(versions);
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

/// What `pg_config` says, where it is installed.
async fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output().await.ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn versions((above, prefix, below): &(&str, &str, &str)) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(above) else { return Vec::new() };
    let named = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    named.map(|entry| entry.path().join(below)).collect()
}

/// The version in a folder's path: `/usr/pgsql-16/bin` is 16.
fn version_in(folder: &Path) -> u32 {
    let mut numbers = folder.iter().filter_map(|part| {
        let part = part.to_string_lossy();
        let digits: String =
            part.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    numbers.next_back().unwrap_or_default()
}

fn has_programs(folder: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| folder.join(program).is_file())
}

/// Major version that the server's program tells; none if it tells none.
async fn major(folder: &Path) -> Result<Option<u32>, Error> {
    let program = folder.join("postgres");
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output().await;
    let output = output.map_err(|source| Error::Program { program, source })?;
    Ok(parse_version(&String::from_utf8_lossy(&output.stdout)))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `18beta1`.
fn parse_version(said: &str) -> Option<u32> {
    let number = said.split_whitespace().nth(2)?;
    number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(majors: &[u32]) -> Vec<Binaries> {
        majors.iter().map(|major| Binaries { folder: format!("/pg/{major}").into(), major: *major }).collect()
    }

    #[test]
    fn versions_are_read() {
        for (said, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("", None),
        ] {
            assert_eq!(parse_version(said), expected, "{said}");
        }
        assert_eq!(version_in(Path::new("/usr/pgsql-16/bin")), 16);
        assert_eq!(version_in(Path::new("/opt/homebrew/opt/postgresql@17/bin")), 17);
    }

    #[test]
    fn without_data_the_first_new_enough_is_taken() {
        let data = Path::new("/data");
        assert_eq!(choose(binaries(&[17, 15]), None, data, None).unwrap().major, 17);
        assert_eq!(choose(binaries(&[14, 16]), None, data, None).unwrap().major, 16);
        assert!(matches!(choose(binaries(&[14]), None, data, None), Err(Error::TooOld { major: 14, .. })));
        assert!(matches!(choose(Vec::new(), None, data, None), Err(Error::NotFound { .. })));
    }

    #[test]
    fn data_want_their_own_version() {
        let data = Path::new("/data");
        assert_eq!(choose(binaries(&[17, 15]), Some(15), data, None).unwrap().major, 15);
        let error = choose(binaries(&[17, 16]), Some(15), data, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the data in /data is of PostgreSQL 15, and the servers found are 17, 16: install PostgreSQL 15 again or \
             upgrade the data with pg_upgrade"
        );
    }
}
