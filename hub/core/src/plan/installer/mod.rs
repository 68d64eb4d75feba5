//! Installers: operators that make Istio from the custom resources of a plan. One file each, with the names of what it
//! makes and with its rules.

pub mod calisti;
