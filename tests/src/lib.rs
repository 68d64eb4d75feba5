//! What tests and demo stand on: real programs as processes, real control planes, and stand-ins for what a bare control
//! plane does not have.

pub mod clusters;
pub mod fleet;
pub mod installation;
pub mod otlp;
pub mod processes;
pub mod programs;
pub mod proof;
pub mod proxy;
pub mod simulated;
