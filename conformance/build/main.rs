//! Names the specification by the digest of its sources, so that a certificate says exactly what an agent was held to.

mod spec_digest;

use std::path::Path;

fn main() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src");
    let digest = spec_digest::of(&model, &spec_digest::FOLDERS);
    println!("cargo::rustc-env=PGHASPEC_SPEC_SHA256={}", digest.unwrap_or_else(|trouble| panic!("{trouble}")));
    for folder in spec_digest::FOLDERS {
        println!("cargo::rerun-if-changed={}", model.join(folder).display());
    }
    // Inside the program, and a new file among them is noticed by nobody else.
    for fixtures in ["agents", "images", "oracle", "scenarios", "derived.json", "failed_by.toml", "uncovered.toml"] {
        println!("cargo::rerun-if-changed=../fixtures/{fixtures}");
    }
    println!("cargo::rerun-if-changed=build");
}
