//! Schema migrations are compiled into the hub: a new file must compile it anew.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
