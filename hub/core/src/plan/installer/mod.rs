//! Installers: operators that make Istio from the custom resources of a plan. One file each, with the names of what it
//! makes and with its rules.

pub mod calisti;
pub mod gateways;
pub mod sail;

use super::{ObjectId, rule::Rule};
use crate::{config::InstallerKind, fleet::Name};

/// The rules of all installers.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    sail::RULES.iter().chain(&calisti::RULES).chain(&gateways::RULES)
}

/// The name that the control plane of a config has.
#[must_use]
pub fn control_plane_name(installer: InstallerKind, config: &Name) -> Name {
    match installer {
        InstallerKind::Sail => sail::control_plane_name(),
        InstallerKind::Calisti => config.clone(),
    }
}

/// The path by which a config names what stands at `keys` of an object; none for what configs have no word for.
#[must_use]
pub fn config_path(installer: InstallerKind, id: &ObjectId, keys: &[String]) -> Option<String> {
    match installer {
        InstallerKind::Sail => sail::config_path(id, keys),
        InstallerKind::Calisti => calisti::config_path(id, keys),
    }
}
