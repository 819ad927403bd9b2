//! One target of tests/fuzz: the one that this program is named after.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use targets::{ALL, Target};

#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env!("CARGO_BIN_NAME");
    ALL.into_iter().find(|target| target.name == name).expect("each program is named after a target")
});

fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
