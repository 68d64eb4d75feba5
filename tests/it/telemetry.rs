//! What hub, spoke and command line tell of themselves.

mod traces;
