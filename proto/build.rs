//! Compiles the `.proto` files in pure Rust: no `protoc` needs to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: &[&str] = &[
        "meshfleet/v1/trace.proto",
        "meshfleet/v1/delivery.proto",
        "meshfleet/v1/document.proto",
        "meshfleet/v1/cluster.proto",
        "meshfleet/v1/config.proto",
        "meshfleet/v1/plan.proto",
        "meshfleet/v1/rollout.proto",
        "meshfleet/v1/drift.proto",
        "meshfleet/v1/operator.proto",
        "meshfleet/v1/status.proto",
        "meshfleet/v1/hub.proto",
        "meshfleet/v1/catalog.proto",
    ];
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let set = protox::compile(FILES, ["."])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&set))?;
    tonic_prost_build::configure().compile_fds(set)?;
    Ok(())
}
