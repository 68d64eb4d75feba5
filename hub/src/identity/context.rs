//! The first operator's context: the file that the command line reads to find and to trust this hub.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    authority::{Authority, Error, file, write_private},
    peer::{Certified, Peer},
    spiffe::Identity,
};

/// A certificate that ends sooner is replaced at a start of the hub.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Context {
    hub: String,
    name: String,
    ca: String,
    certificate: String,
    key: String,
}

/// For whom a context is written, and where.
#[derive(Debug, Clone)]
pub struct Holder<'a> {
    /// The operator.
    pub id: Uuid,
    /// His name.
    pub name: &'a str,
    /// The file.
    pub path: &'a Path,
}

/// Writes the context of an operator. A certificate that is there and still good is kept; the hub's address is always
/// written anew. Readers see the old file or the new one, never half of one.
pub fn write(holder: &Holder<'_>, hub: &str, authority: &Authority, now: Timestamp) -> Result<(), Error> {
    let (certificate, key) = match kept(holder, authority, now) {
        Some(context) => (context.certificate, context.key),
        None => {
            let made = authority.issue_operator(holder.id, now)?;
            (made.issued.certificate.clone(), made.key_pem())
        }
    };
    let context = Context {
        hub: hub.to_owned(),
        name: holder.name.to_owned(),
        ca: authority.pem().to_owned(),
        certificate,
        key,
    };
    let json = serde_json::to_vec_pretty(&context).expect("five strings become JSON");
    let next = PathBuf::from(format!("{}.new", holder.path.display()));
    // What a killed hub left may have been opened by others.
    let _ = fs::remove_file(&next);
    write_private(&next, &json)?;
    fs::rename(&next, holder.path).map_err(file("write", holder.path))
}

/// The context that is there, if it is of this operator and of this authority and good for long enough.
fn kept(holder: &Holder<'_>, authority: &Authority, now: Timestamp) -> Option<Context> {
    let context: Context = serde_json::from_slice(&fs::read(holder.path).ok()?).ok()?;
    let leaf = CertificateDer::from_pem_slice(context.certificate.as_bytes()).ok()?;
    let Peer::Certified(Certified { identity, expires_at, .. }) =
        Peer::of(Some(&[leaf]), authority.trust_domain())
    else {
        return None;
    };
    let good = context.ca == authority.pem()
        && identity == Identity::Operator(holder.id)
        && expires_at > now + RENEWED_BEFORE;
    good.then_some(context)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::spiffe::TrustDomain;

    fn authority(folder: &Path) -> Authority {
        Authority::make(folder, TrustDomain::parse("meshfleet.local").unwrap(), Timestamp::UNIX_EPOCH)
            .unwrap()
    }

    fn read(path: &Path) -> Context {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_second_start_changes_the_address_and_keeps_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(&folder.path().join("ca"));
        let path = folder.path().join("admin.context.json");
        let holder = Holder { id: Uuid::nil(), name: "admin", path: &path };
        write(&holder, "127.0.0.1:1", &authority, Timestamp::UNIX_EPOCH).unwrap();
        let first = read(&path);
        write(&holder, "127.0.0.1:2", &authority, Timestamp::UNIX_EPOCH).unwrap();
        let second = read(&path);
        assert_eq!((second.hub.as_str(), second.key == first.key), ("127.0.0.1:2", true));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_authority_another_operator_or_an_old_certificate_need_a_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let ours = authority(&folder.path().join("ca"));
        let path = folder.path().join("admin.context.json");
        let holder = Holder { id: Uuid::nil(), name: "admin", path: &path };
        let begun = Timestamp::UNIX_EPOCH;
        let other = Holder { id: Uuid::max(), ..holder.clone() };
        let foreign = authority(&folder.path().join("foreign"));
        for (holder, authority, now) in [
            (&other, &ours, begun),
            (&holder, &foreign, begun),
            (&holder, &ours, begun + SignedDuration::from_hours(350 * 24)),
        ] {
            write(&Holder { id: Uuid::nil(), name: "admin", path: &path }, "h:1", &ours, begun).unwrap();
            let first = read(&path);
            write(holder, "h:1", authority, now).unwrap();
            assert!(read(&path).key != first.key);
            fs::remove_file(&path).unwrap();
        }
    }
}
