//! Clusters for tests and the demo: real API servers, dressed as a provider.
//!
//! What is real: etcd and kube-apiserver, with RBAC, schemas, field ownership
//! and an audit log. What is played, always under the name *stand-in*: the
//! controllers and the mesh operator ([`standin`]). What makes a cluster look
//! like EKS or ROSA is objects ([`dress`]), never a switch that code under test
//! could see. There are no pods, no scheduler and no garbage collector.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use tests::clusters::{ControlPlane, Etcd, Options, dress};
//!
//! let directory = tempfile::tempdir()?;
//! let etcd = Etcd::start(directory.path()).await?;
//! let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
//! dress::eks(&plane.admin_client().await?).await?;
//! # Ok(())
//! # }
//! ```

pub mod apply;
pub mod audit;
pub mod binaries;
pub mod control_plane;
mod credentials;
pub mod definitions;
pub mod dress;
pub mod etcd;
mod process;
pub mod standin;
pub mod wait;

pub use control_plane::{ControlPlane, Options};
pub use etcd::Etcd;

/// Says one line to whoever runs the tests. Builds take minutes and a missing
/// schema changes what a test proves, so neither may happen in silence.
#[expect(clippy::print_stderr, reason = "progress for the person at the terminal")]
fn say(line: &str) {
    eprintln!("clusters: {line}");
}
