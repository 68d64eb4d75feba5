//! The hub: it keeps what every cluster's mesh should be, plans it, delivers it, and tells how it went.
//!
//! Decisions are made in `hub_core`; this is the shell around them. In reading order: what people and spokes may do
//! (`app`) and how it is stored (`store`), what the hub does by itself (`tasks`), the two edges (`delivery` to spokes,
//! `api` to operators), who may come in (`identity`), and what it stands on (`postgres`).

pub mod config;
pub mod serve;

pub mod app;
pub mod store;

pub mod tasks;

pub mod delivery;

pub mod api;

pub mod identity;

pub mod postgres;

pub mod clock;
pub mod fail_point;
pub mod signal;
pub mod telemetry;

pub use serve::{Running, serve};
