//! scratch
#[cfg(test)]
#[path = "/tmp/s/crash.rs"]
mod crash;
#[cfg(test)]
#[path = "/tmp/s/first_run.rs"]
mod first_run;
#[cfg(test)]
#[path = "/tmp/s/rig.rs"]
mod rig;
fn main() {}
