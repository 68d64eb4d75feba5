//! What hub, spoke and command line tell of themselves, and how: spans to a collector over OTLP, and a page of metrics.
//!
//! No span and no metric is defined here: who does the work names it. Nothing of a document and no secret goes through.
//! Where no collector is named, spans cost nothing; trace ids flow all the same, because they ride on the wire as text.

pub mod export;
pub mod memory;
pub mod page;
pub mod trace;

pub use export::Exporting;
pub use trace::TARGET;
