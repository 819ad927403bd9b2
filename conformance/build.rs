//! Names the specification by the digest of its sources, so that a certificate says exactly what an agent was held to.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut digest = Sha256::new();
    for file in &files {
        let path = file.strip_prefix(&root).expect("files are below their root").to_string_lossy().into_owned();
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        digest.update([0]);
    }
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=PGHASPEC_SPEC_SHA256={hex}");
    println!("cargo::rerun-if-changed={}", root.display());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder that was opened can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
