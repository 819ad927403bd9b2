//! A whole run of an agent that means harm, beside a run of one that does not.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::containers::Lab;

/// The longest that a run of the hostile agent may take: with all that it does, its cluster does not settle.
const LIMIT: Duration = Duration::from_secs(300);

fn certify(agent: &str, scenario: &str, out: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
    command.args(["certify", agent, "--json", "--scenario", scenario, "--out"]).arg(out);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Exit code, results and words of a run.
fn ended(run: Child) -> (Option<i32>, Value, String) {
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// The hostile agent, with links that lead to the canary of that lab.
fn hostile(lab: &Lab, folder: &Path) -> String {
    let canary = format!("/proc/{}/root/canary/file", lab.host_pid("observer"));
    let manifest = format!("extends = \"hostile\"\n[env]\nPGHASPEC_CANARY = \"{canary}\"\n");
    let file = folder.join("agent.toml");
    std::fs::write(&file, manifest).unwrap();
    file.display().to_string()
}

#[test]
fn beside_a_hostile_agent_a_sound_one_passes_and_nothing_outside_of_its_nodes_has_changed() {
    let Some(lab) = Lab::new("hostile") else { return };
    lab.observer();
    let out = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let attacks = certify(&hostile(&lab, out.path()), "leader-postmaster-killed", &out.path().join("attacks"));
    let sound = certify("patroni", "leader-postmaster-killed", &out.path().join("sound"));
    let (code, document, said) = ended(sound);
    assert_eq!((code, &document["verdict"]), (Some(0), &Value::from("pass")), "{document:#}\n{said}");
    let (code, document, said) = ended(attacks);
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert!(matches!(code, Some(1 | 4)), "{code:?} {document:#}\n{said}");
    // It has done what it does.
    let logs = logs_of(&out.path().join("attacks"));
    assert!(logs.contains("<script>") && !logs.contains("so no bomb"), "{said}");
    // All of what it says is bounded, in the run's folder too.
    let kept = folder_size(&out.path().join("attacks"));
    assert!(kept < 100 << 20, "{kept} bytes");
    lab.assert_canary_lives();
}

/// What fills the disk would have followed the agent's link.
#[test]
fn a_link_where_the_disk_is_filled_ends_the_run_with_words_that_say_so() {
    let Some(lab) = Lab::new("hostile-disk") else { return };
    lab.observer();
    let out = tempfile::tempdir().unwrap();
    let attacks = certify(&hostile(&lab, out.path()), "leader-disk-full-for-a-moment", &out.path().join("attacks"));
    let (code, document, said) = ended(attacks);
    assert_eq!(code, Some(4), "{document:#}\n{said}");
    let told = format!("{document}{said}");
    assert!(told.contains("the node has put something at .pghaspec-filler"), "{told}");
    lab.assert_canary_lives();
}

/// All logs of nodes below a folder.
fn logs_of(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => logs_of(&entry.path()),
            Ok(kind) if kind.is_file() && entry.path().extension().is_some_and(|it| it == "log") => {
                String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()
            }
            _ => String::new(),
        })
        .collect()
}

fn folder_size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => folder_size(&entry.path()),
            _ => entry.metadata().map_or(0, |found| found.len()),
        })
        .sum()
}
