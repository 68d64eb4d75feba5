//! Tests of the whole: real programs, a real PostgreSQL, real API servers.

mod adoption;
mod broken_rules;
mod clusters;
mod crash;
mod facts;
mod first_run;
mod identity;
mod private_postgres;
mod removal;
mod rig;
mod spoke;
mod store;
mod tenancy;
