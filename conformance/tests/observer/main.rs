//! The helpers of the observer's image against nodes that mean harm: their own tests, which want Python and nothing
//! else, and the same on containers, with `PGHASPEC_DOCKER=1`.

#[path = "../opt_in/mod.rs"]
mod opt_in;

mod containers;
mod hostile;

use std::path::Path;
use std::process::Command;

/// The Python of the helpers is 3.13; they import nothing that is not its own.
#[test]
fn what_a_node_controls_is_followed_nowhere() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observer/test_inside.py");
    let helpers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/images/observer");
    let python =
        Command::new("python3").arg(tests).env("PYTHONPATH", helpers).env("PYTHONDONTWRITEBYTECODE", "1").output();
    let Ok(output) = python else {
        assert!(!opt_in::is_asked_for("PGHASPEC_PYTHON", "python3"), "there is no python3");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
