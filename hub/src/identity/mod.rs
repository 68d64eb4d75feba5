//! Who calls: the certificate authority, enrolment tokens, the certificates of spokes and operators, and the one gate
//! that every call passes before a handler sees it.
//!
//! A caller is who his verified certificate says he is, and nothing that he sends says otherwise. Secrets and keys are
//! never logged, never stored in the database, and never printed by `Debug`.

pub mod authority;
pub mod spiffe;

pub mod csr;
pub mod former;
pub mod token;

pub mod peer;
pub mod tls;

pub mod accept;

pub mod callers;
pub mod gate;
pub mod problem;

pub mod context;

/// The system's random numbers.
///
/// # Panics
/// If the system has none to give: nothing that this hub does would be safe then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}
