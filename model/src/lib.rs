//! The recover protocol of PostgreSQL high-availability agents as a checked specification.
//!
//! [`recover`] is the protocol itself: patroni's `Ha.recover()` as a pure, resumable function, written to be read
//! beside the original. [`rules`] holds what releases changed in it, and [`mutants`] breaks one rule at a time.
//! [`cluster`] puts several nodes around it that crash, restart and lose their leases, and [`engine`] explores every
//! behaviour of theirs; [`verify`] asks which properties hold under which assumptions, [`timed`] does so with clocks.
//! [`vocabulary`] says what an outside observer sees of a cluster, [`belief`] which behaviours of the model explain
//! what was seen, and [`mod@derive`] which faults lead a real cluster to a state of the model.
//!
//! Nothing here does I/O.

#[macro_use]
mod vocabulary_macro;

pub mod belief;
pub mod cluster;
pub mod derive;
pub mod engine;
pub mod mutants;
pub mod recover;
pub mod rules;
pub mod timed;
pub mod verify;
pub mod vocabulary;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The folders at the bottom of the house, and what each may import of the others.
    const LAYERS: [(&str, &[&str]); 5] = [
        ("engine", &[]),
        ("rules", &[]),
        ("recover", &["rules"]),
        ("vocabulary", &["recover"]),
        ("mutants", &["recover", "rules"]),
    ];

    fn assert_imports_only(folder: &Path, allowed: &[&str]) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_imports_only(&path, allowed);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for import in line.split("crate::").skip(1) {
                    let from = import.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
                    assert!(from.is_some_and(|from| allowed.contains(&from)), "{}: {line}", path.display());
                }
            }
        }
    }

    #[test]
    fn the_specification_does_not_know_who_uses_it() {
        for (folder, allowed) in LAYERS {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
            assert_imports_only(&own, &[allowed, &[folder]].concat());
        }
    }
}
