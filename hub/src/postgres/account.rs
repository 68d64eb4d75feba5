//! Whom the server runs as: PostgreSQL refuses root, so a hub that is root drops to the user of the system's package.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::Error;

/// A user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Users that packages make for PostgreSQL.
const PACKAGED: [&str; 2] = ["postgres", "_postgres"];

impl Account {
    /// Whom to become, or none for an ordinary user, who stays who he is. Data that are there already keep their owner.
    pub(super) fn to_become(data: &Path) -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Some(owner) = owner(data).filter(|owner| owner.uid != 0) {
            return Ok(Some(owner));
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        packaged(&accounts).map(Some).ok_or(Error::NoAccount)
    }

    /// The first folder on the way to `path` that the account cannot enter.
    pub(super) fn stopped_at(self, path: &Path) -> Option<PathBuf> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        above.into_iter().find(|folder| !self.can_enter(folder)).map(Path::to_owned)
    }

    fn can_enter(self, folder: &Path) -> bool {
        let Ok(metadata) = fs::metadata(folder) else { return false };
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}

fn owner(path: &Path) -> Option<Account> {
    let metadata = fs::metadata(path).ok()?;
    Some(Account { uid: metadata.uid(), gid: metadata.gid() })
}

/// The account of PostgreSQL in the text of `/etc/passwd`.
fn packaged(accounts: &str) -> Option<Account> {
    PACKAGED.iter().find_map(|name| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_s_user_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(packaged(accounts), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(packaged("root:x:0:0::/root:/bin/sh\n"), None);
    }

    #[test]
    fn a_folder_closed_to_others_stops_the_account() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { uid: 4_000_000, gid: 4_000_000 };
        let inside = folder.path().join("postgres");
        assert_eq!(stranger.stopped_at(&inside), Some(folder.path().to_owned()));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.stopped_at(&inside), None);
    }
}
