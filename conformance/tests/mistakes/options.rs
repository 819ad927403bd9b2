//! Options of the command line that cannot be: told with exit code 2, and without a verdict.

use std::process::Command;

/// A command line, and a word of what it is told.
const MISTAKES: &[(&[&str], &str)] = &[
    (&[], "Usage"),
    (&["certfy"], "certify"),
    (&["certify"], "AGENT"),
    (&["certify", ""], "there is no agent"),
    (&["certify", "patrony"], "the nearest is `patroni`"),
    (&["certify", "patroni@"], "is empty"),
    (&["certify", "patroni@--help"], "begins with"),
    (&["certify", "patroni@9.9.9"], "use one of"),
    (&["certify", "patroni@4.1.5 "], "a name has letters"),
    (&["certify", "/etc/passwd"], "/etc/passwd:1"),
    (&["certify", "/nowhere/agent.toml"], "there is no agent"),
    (&["certify", "."], "there is no agent"),
    (&["certify", "../../etc"], "there is no agent"),
    (&["certify", "patroni", "--edition", "4.2"], "there is no edition `4.2`"),
    (&["certify", "patroni", "--edition", ""], "there is no edition"),
    (&["certify", "patroni", "--profile", "smok"], "the nearest is `smoke`"),
    (&["certify", "patroni", "--profile", ""], "there is no profile"),
    (&["certify", "patroni", "--scenario", "leader-killed"], "there is no scenario"),
    (&["certify", "patroni", "--scenario", "../scenarios/all-nodes-killed"], "there is no scenario"),
    (&["certify", "patroni", "--scenario", "lock"], "there is no scenario"),
    (&["certify", "patroni", "--scenario", ""], "there is no scenario"),
    (&["certify", "patroni", "--scenario", "all-nodes-killed", "--profile", "smoke"], "--profile"),
    (&["certify", "patroni", "--jobs", "0"], "write a number from 1 to 64"),
    (&["certify", "patroni", "--jobs=-1"], "write a number from 1 to 64"),
    (&["certify", "patroni", "--jobs", "1000000"], "write a number from 1 to 64"),
    (&["certify", "patroni", "--jobs", "two"], "write a number from 1 to 64"),
    (&["certify", "patroni", "--jobs"], "--jobs"),
    (&["certify", "patroni", "--seed", "7"], "--profile stress"),
    (&["certify", "patroni", "--walks", "7"], "--profile stress"),
    (&["certify", "patroni", "--profile", "stress", "--walks", "0"], "write a number from 1 to 1000"),
    (
        &["certify", "patroni", "--profile", "stress", "--walks", "18446744073709551615"],
        "write a number from 1 to 1000",
    ),
    (&["certify", "patroni", "--profile", "stress", "--seed=-1"], "--seed"),
    (&["certify", "patroni", "--profile", "stress", "--seed", "18446744073709551616"], "--seed"),
    (&["certify", "patroni", "--shard", "0/2"], "the first is 1/2"),
    (&["certify", "patroni", "--shard", "3/2"], "there is no part 3 of 2"),
    (&["certify", "patroni", "--shard", "1/18446744073709551615"], "more than any run has scenarios"),
    (&["certify", "patroni", "--shard", "1/3", "--scenario", "x"], "there is no scenario"),
    (&["certify", "patroni", "--shard", "2/2", "--scenario", "all-nodes-killed"], "is empty"),
    (&["certify", "patroni", "--shard", "half"], "2/3"),
    (&["certify", "patroni", "--resume", "/nowhere"], "is not the folder of a run"),
    (&["certify", "patroni", "--resume", "."], "is not the folder of a run"),
    (&["certify", "patroni", "--resume", "/dev/null"], "is not the folder of a run"),
    (&["certify", "patroni", "--resume", ".", "--out", "runs"], "--out"),
    (&["certify", "patroni", "patroni"], "unexpected argument"),
    (&["certify", "patroni", "--jsno"], "--json"),
    (&["defects", "--agent", "patrony"], "there is no agent that is to fail"),
    (&["defects", "--scenario", "leader-killed"], "there is no scenario that is to be failed"),
    (&["defects", "--jobs", "0"], "write a number from 1 to 64"),
    (&["defects", "--shard", "9999/9999"], "more than any run has scenarios"),
    (&["defects", "--resume", "/nowhere"], "there is no such folder"),
    (&["judge"], "PATHS"),
    (&["judge", "/nowhere"], "cannot be read"),
    (&["judge", "/dev/zero"], "no regular file"),
    (&["judge", ""], "a value is required"),
    (&["judge", "/etc/hostname"], "is not a JSON object"),
    (&["judge", "/nowhere", "--edition", "4.2"], "the nearest is `4.1`"),
    (&["judge", "/nowhere", "--all"], "--svg"),
    (&["report"], "DIR"),
    (&["report", "/nowhere"], "is not the folder of a run"),
    (&["verify", "/nowhere"], "/nowhere"),
    (&["verify", "/dev/null"], "/dev/null"),
    (&["scenarios", "--write"], "--derive"),
    (&["diff", "--release", ""], "is no version, such as 4.1.5"),
    (&["diff", "--release=--index-url"], "is no version, such as 4.1.5"),
    (&["diff", "--release", "../patroni"], "is no version, such as 4.1.5"),
    (&["diff", "--function", "recvoer"], "the nearest is `recover`"),
    (&["diff", "--mutant", "luck"], "there is no mutant"),
    (&["diff", "--jobs", "0"], "has to be a whole number from 1 to 64"),
    (&["diff", "--jobs", "18446744073709551615"], "has to be a whole number from 1 to 64"),
    (&["list"], "WHAT"),
    (&["list", "feature"], "features"),
    (&["schema"], "OF"),
    (&["schema", "agents"], "agent"),
    (&["doctor", "--now"], "--now"),
];

/// Runs the program with a bound on time and on memory.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_pghaspec");
    let bounded = "ulimit -v 2000000; exec timeout 10 \"$@\"";
    let output = Command::new("sh")
        .args(["-c", bounded, "sh", program])
        .args(args)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn mistakes_in_options_are_told_and_how_they_are_mended() {
    let mut not = Vec::new();
    for (args, words) in MISTAKES {
        let (code, out, said) = run(args);
        let verdict = ["verdict: pass", "verdict: fail", "confirmed", "\"pass\""].iter().any(|word| out.contains(word));
        if code != Some(2) || verdict || !said.contains(words) || said.contains("panicked") {
            not.push(format!("{args:?}: exit code {code:?}, {words:?} is missing in: {said}{out}"));
        }
    }
    println!("{} mistakes in options", MISTAKES.len());
    assert!(not.is_empty(), "{} of {}:\n{}", not.len(), MISTAKES.len(), not.join("\n"));
}
