//! Tests of the whole: real programs, a real PostgreSQL, real API servers.

mod adoption;
mod clusters;
mod counts;
mod crash;
mod definitions;
mod documents;
mod facts;
mod facts_map;
mod first_run;
mod heal;
mod identity;
mod injection;
mod installation;
mod private_postgres;
mod removal;
mod restore;
mod rig;
mod rights;
mod rotation;
mod sail;
mod spoke;
mod store;
mod team;
mod telemetry;
mod tenancy;
mod verbs;
