//! The specification beside released code. Needs Python with pip, and the package index or what was installed from it
//! before; the tests that need them run with `PGHASPEC_NETWORK=1`.

mod opt_in;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use serde_json::Value;

/// Tests on released code are asked for; otherwise it is said that this one was left out.
fn has_releases() -> bool {
    opt_in::is_asked_for("PGHASPEC_NETWORK", "Python with pip, and the package index")
}

fn diff(args: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
    command.arg("diff").args(args).envs(variables.iter().copied()).output().unwrap()
}

fn json(args: &[&str], code: i32) -> Value {
    let output = diff(&[args, &["--json"]].concat(), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

/// The packages that the releases import are installed once for all tests.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let output = diff(&["--release", "2.1.2", "--function", "follow"], &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

/// The annotated listing, the first release that starts a crashed primary, and the newest: each is explained, by the
/// edition of its name, every branch of the real `recover()` is taken, and no mutant of ours passes for it.
#[test]
fn three_releases_are_explained_and_no_mutant_is() {
    if !has_releases() {
        return;
    }
    prepare();
    let releases = ["--release", "2.1.2", "--release", "3.0.4", "--release", "4.1.5"];
    let document = json(&[&releases[..], &["--mutants", "--coverage"]].concat(), 0);
    assert_eq!(document["differences"], serde_json::json!([]));
    for (place, edition) in ["2.1.2", "3.0.4", "4.1"].into_iter().enumerate() {
        let release = &document["releases"][place];
        assert_eq!((&release["result"], &release["edition"]), (&"explained".into(), &edition.into()));
        assert_eq!((&release["mismatches"], &release["found"]["rules"]), (&0.into(), &serde_json::json!([])));
        assert!(release["vectors"].as_u64().unwrap() > 50_000, "{release}");
        for function in release["functions"].as_array().unwrap() {
            assert!(function["inputs"].as_str().unwrap().starts_with("the full product"), "{function}");
            assert!(function["vectors"].as_u64().unwrap() > 0, "{function}");
        }
        let undecided = &release["found"]["undecided"];
        let blind = if place == 0 { serde_json::json!(["starts_from_crash_recovery"]) } else { serde_json::json!([]) };
        assert_eq!(*undecided, blind);
        let regions = release["coverage"].as_array().unwrap();
        let recover = regions.iter().find(|region| region["function"] == "Ha.recover").unwrap();
        assert_eq!(recover["branches"], recover["taken"], "{recover}");
        assert!(regions.len() > 10, "{regions:?}");
    }
    assert_eq!(document["mutants"]["survived"], serde_json::json!([]));
    assert!(document["mutants"]["caught"].as_array().unwrap().len() >= 30);
}

/// A rule of ours that is broken is found, by the simplest run that shows it, with the place in the released code.
#[test]
fn a_broken_rule_is_shown_side_by_side() {
    if !has_releases() {
        return;
    }
    prepare();
    let document =
        json(&["--release", "4.1.5", "--function", "handle-crash-recovery", "--mutant", "forgets-crash-recovery"], 1);
    let release = &document["releases"][0];
    assert_eq!(release["result"], "unexplained");
    insta::assert_snapshot!(lines(&release["examples"][0]));
}

/// So is one of a function that is compared by its effects.
#[test]
fn a_broken_rule_of_the_lock_is_shown_in_short() {
    if !has_releases() {
        return;
    }
    prepare();
    let document = json(&["--release", "3.0.4", "--function", "update-lock", "--mutant", "overwrites-lock"], 1);
    insta::assert_snapshot!(lines(&document["releases"][0]["examples"][0]));
}

fn lines(value: &Value) -> String {
    value.as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
}

/// One that does not exist does not keep the others from being compared.
#[test]
fn a_release_that_is_not_there_is_named_and_the_others_are_compared() {
    if !has_releases() {
        return;
    }
    prepare();
    let output = diff(&["--release", "9.9.9", "--release", "2.1.2", "--function", "follow"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("there is no patroni 9.9.9 in the package index"), "{text}");
    assert!(text.contains("2.1.2    explained"), "{text}");
    let output = diff(&["--release", "../4"], &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && text.contains("is no version, such as 4.1.5"), "{text}");
}

/// A cache of its own that has what the releases import, as far as it was installed.
fn cache(with_imports: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if with_imports {
        prepare();
        let home = std::env::var_os("PGHASPEC_CACHE").map(PathBuf::from).unwrap_or_else(|| {
            let xdg = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty());
            let cache =
                xdg.map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
            cache.join("pghaspec")
        });
        let oracle = folder.path().join("oracle");
        fs::create_dir(&oracle).unwrap();
        for entry in fs::read_dir(home.join("oracle")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("imports-") {
                symlink(&path, oracle.join(name)).unwrap();
            }
        }
    }
    folder
}

#[test]
fn a_package_index_that_does_not_answer_is_said() {
    if !has_releases() {
        return;
    }
    let folder = cache(true);
    let nowhere = Path::new("http://127.0.0.1:9/simple");
    let variables = [("PGHASPEC_CACHE", folder.path()), ("PIP_INDEX_URL", nowhere), ("PIP_RETRIES", Path::new("0"))];
    let output = diff(&["--release", "4.1.5"], &variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("pip could not install patroni 4.1.5") && text.contains("package index"), "{text}");
    // Nothing half-installed is left, and no network is needed for what is there.
    assert!(!folder.path().join("oracle/patroni-4.1.5").exists());
    let output = diff(&["--release", "2.1.2", "--function", "follow"], &variables[1..]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_cache_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let python = python_of(folder.path(), "3 13");
    let variables = [("PGHASPEC_CACHE", Path::new("/proc/nowhere")), ("PGHASPEC_PYTHON", &python)];
    let output = diff(&["--release", "4.1.5"], &variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("creating /proc/nowhere/oracle") && said.contains("PGHASPEC_CACHE"), "{said}");
}

/// A release does not change: a harness that asks it something else than before is noticed even where ours does
/// not care.
#[test]
fn a_harness_that_asks_otherwise_is_noticed() {
    if !has_releases() {
        return;
    }
    prepare();
    let folder = tempfile::tempdir().unwrap();
    let oracle = folder.path().join("oracle");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/oracle"), &oracle);
    let file = oracle.join("following.py");
    let source = fs::read_to_string(&file).unwrap();
    let line = "Here it finds nothing to do.\"\"\"\n";
    assert_eq!(source.matches(line).count(), 1);
    fs::write(&file, source.replace(line, &format!("{line}        self.ask('is-tuesday', EITHER)\n"))).unwrap();
    // Fixtures without scenarios are none.
    fs::create_dir(folder.path().join("scenarios")).unwrap();
    let variables = [("PGHASPEC_FIXTURES", folder.path())];
    let output = diff(&["--release", "2.1.2", "--function", "follow"], &variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("2.1.2    explained") && text.contains("2.1.2: follow was asked otherwise"), "{text}");
}

#[test]
fn a_release_that_cannot_be_imported_is_said() {
    if !has_releases() {
        return;
    }
    let folder = cache(true);
    fs::create_dir_all(folder.path().join("oracle/patroni-0.0.7/patroni")).unwrap();
    let output = diff(&["--release", "0.0.7"], &[("PGHASPEC_CACHE", folder.path())]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("patroni 0.0.7 cannot be imported by this Python"), "{text}");
}

/// Code that asks for what the harness does not know is an error of the harness, and no verdict.
#[test]
fn code_that_the_harness_does_not_know_is_no_verdict() {
    if !has_releases() {
        return;
    }
    let folder = cache(true);
    let home = cache_of_release("4.1.5");
    let changed = folder.path().join("oracle/patroni-4.1.99");
    copy(&home, &changed);
    let file = changed.join("patroni/ha.py");
    let source = fs::read_to_string(&file).unwrap();
    let line = "        self.watchdog.disable()\n\n        if data.get('Database cluster state') in";
    assert!(source.contains(line));
    fs::write(&file, source.replace(line, &format!("        self.watchdog.be_gentle()\n{line}"))).unwrap();
    let output = diff(&["--release", "4.1.99"], &[("PGHASPEC_CACHE", folder.path())]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("nothing can be concluded") && text.contains("Watchdog.be_gentle"), "{text}");
}

/// A release with other rules than any that is known is not explained: the simplest run that differs is shown.
#[test]
fn a_release_with_unknown_rules_is_not_explained() {
    if !has_releases() {
        return;
    }
    let folder = cache(true);
    let changed = folder.path().join("oracle/patroni-4.1.98");
    copy(&cache_of_release("4.1.5"), &changed);
    let file = changed.join("patroni/ha.py");
    let source = fs::read_to_string(&file).unwrap();
    let line = "if timeout == 0:";
    assert_eq!(source.matches(line).count(), 1);
    fs::write(&file, source.replace(line, "if timeout == 1:")).unwrap();
    let variables = [("PGHASPEC_CACHE", folder.path())];
    let output = diff(&["--release", "4.1.98", "--function", "recover"], &variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("unexplained") && text.contains("start-timeout"), "{text}");
    // The edition is that of the code before it was changed, and what is shown is the change.
    assert!(text.contains("edition 4.1;"), "{text}");
    assert!(text.contains("4.1.98 is not among the committed releases"), "{text}");
}

fn cache_of_release(release: &str) -> PathBuf {
    let output = diff(&["--release", release, "--function", "follow"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = cache(true);
    let imports = fs::read_dir(folder.path().join("oracle")).unwrap().next().unwrap().unwrap().path();
    fs::read_link(imports).unwrap().parent().unwrap().join(format!("patroni-{release}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            let _ = fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_function_that_is_not_compared_is_named() {
    let output = diff(&["--release", "4.1.5", "--function", "demote"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no function `demote`") && said.contains("update-lock"), "{said}");
}

/// A program that tells this version, as Python does when it is asked, and can do nothing else.
fn python_of(folder: &Path, version: &str) -> PathBuf {
    let file = folder.join("python");
    fs::write(&file, format!("#!/bin/sh\necho {version}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[test]
fn a_python_that_is_missing_or_too_old_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let old = python_of(folder.path(), "3 6");
    for (python, words) in [
        (old.as_path(), "is Python 3.6, and the comparison needs 3.9"),
        (Path::new("/nowhere/python"), "install Python 3"),
    ] {
        let output = diff(&["--release", "4.1.5"], &[("PGHASPEC_PYTHON", python)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

mod record {
    //! Each kind of difference, on a recorded line with one thing changed.

    use pghaspec::patroni_oracle::compare::compare;
    use pghaspec::patroni_oracle::record::{Function, Run};
    use pghaspec_model::rules::edition::Edition;

    /// 2.1.2, a standby that was killed: read-only start refused the lock, follows the leader.
    const LINE: &str = r#"["recover",[["disable-watchdog","done"],["has-lock","no"],
        ["control-data","in-archive-recovery"],["load-cluster","done"],["is-standby-cluster","no"],["has-lock","no"],
        ["rewind-executed","no"],["trigger-divergence-check","done"],["is-standby-cluster","no"],
        ["rewind-source","member"],["rewind-needed","no"],["has-lock","no"],["is-standby-cluster","no"],
        ["node-to-follow","member"],["run-follow","free"],["set-recovering","done"]],{"says":"starting as a secondary"},
        {"tasks":[["follow","restarting after failure",["n1","replica",null]]]},[]]"#;

    /// The line with one thing replaced: what was different in the released code, and in ours.
    fn difference(from: &str, to: &str) -> Option<(String, String)> {
        let line = LINE.replacen(from, to, 1);
        assert!(from == to || line != LINE, "{from} is in the line");
        let run = Run::parse(Function::Recover, &line).unwrap();
        compare(&run, &Edition::V2_1_2.rules(), None).map(|found| (found.released, found.ours))
    }

    fn assert_differs(from: &str, to: &str, released: &str, ours: &str) {
        let (found, mine) = difference(from, to).unwrap_or_else(|| panic!("{from} → {to} makes no difference"));
        assert!(found.contains(released) && mine.contains(ours), "{from} → {to}: {found} | {mine}");
    }

    #[test]
    fn the_line_itself_is_explained() {
        assert_eq!(difference("", ""), None);
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        assert_differs(r#"["disable-watchdog","done"],"#, "", "asks has-lock", "does disable-watchdog");
        assert_differs(r#""rewind-executed""#, r#""rewind-regretted""#, "no word for", "asks rewind-executed");
        assert_differs(r#",["set-recovering","done"]"#, "", "says", "does set-recovering");
        assert_differs(
            r#"["set-recovering","done"]"#,
            r#"["set-recovering","done"],["set-recovering","done"]"#,
            "does set-recovering",
            "says",
        );
        assert_differs("as a secondary", "as a primary", "as a primary", "as a secondary");
        assert_differs(r#"{"says":"starting as a secondary"}"#, r#"{"raises":"KeyError"}"#, "raises KeyError", "says");
        assert_differs(r#"{"says":"starting as a secondary"}"#, r#"{"raises":"dcs-error"}"#, "raises DCSError", "says");
        assert_differs(r#"["n1","replica",null]"#, r#"[null,"replica",null]"#, "[null", "[\"n1\"");
        assert_differs(r#""replica",null"#, r#""standby_leader",null"#, "standby_leader", "replica");
        assert_differs(r#""replica",null"#, r#""replica",300"#, "300", "null");
        assert_differs("restarting after", "restarting before", "before", "after");
        assert_differs(r#"{"tasks""#, r#"{"timed":true,"tasks""#, "notes when", "does not note");
    }

    #[test]
    fn a_line_that_is_no_record_is_refused() {
        for (from, to) in [
            (r#""no""#, r#""perhaps""#),
            ("\"in-archive-recovery\"", "\"in-trouble\""),
            (r#"["has-lock","no"]"#, r#"["has-lock"]"#),
            ("[]]", "[]"),
        ] {
            assert!(Run::parse(Function::Recover, &LINE.replacen(from, to, 1)).is_err(), "{from} → {to}");
        }
    }
}
