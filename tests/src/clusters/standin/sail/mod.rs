//! Stand-in for the Sail operator: so far only its versions.
pub mod versions;
/// Nothing to want yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {}
/// Does nothing yet.
pub struct SailStandIn {}
impl SailStandIn {
    /// Does nothing yet.
    pub async fn start(_: &crate::clusters::ControlPlane, _: Options) -> anyhow::Result<Self> {
        Ok(Self {})
    }
    /// Does nothing yet.
    pub async fn stop(self) {}
}
