//! What is seen of the cluster: the present state of every object that is managed or expected.
//!
//! Watches feed it, and so does the response to each of our own writes, because a watch comes later: without that, our
//! own write would look like drift for a moment. Nothing here is a copy of the cluster; objects that nobody asked for are
//! dropped at once.

mod live;
mod watches;

pub use live::{Live, Sight};
pub use watches::Watches;
