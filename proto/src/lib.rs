//! The wire between hub, spoke and command line: generated types, the protocol version and trace context.
//!
//! No domain and no logic lives here. Hub and spoke never run the same version and share nothing but this.

pub mod trace;

/// Messages, clients and servers of `meshfleet.v1`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    reason = "generated; the documentation stands in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("meshfleet.v1");
}

/// Version of the hub-spoke protocol. A receiver refuses a newer one than its own and says both.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest piece of a body in one message, in bytes: far below HTTP/2 and tonic limits, so that a large body never
/// holds up a heartbeat for long.
pub const BODY_CHUNK_BYTES: usize = 256 * 1024;

/// Largest message that either side accepts, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// The name in every hub's certificate. Its address may change, its name does not.
pub const HUB_NAME: &str = "hub.meshfleet";

/// What the proof of a `RenewRequest` begins with, so that no signature over anything else is one.
pub const RENEWAL: &[u8] = b"meshfleet renew v1";

/// Serialized `FileDescriptorSet` of all services: tests walk it to reach every method.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
