//! Values of a scenario that cannot be, and names of files that none can have.

use std::path::Path;

use pghaspec::scenario::Scenario;

use super::samples::{self, SCENARIO};
use super::{Mistake, made, replaced};

/// A sound text, a mistake in its place, and the key that the error names.
pub const MISTAKES: &[(&str, &str, &str)] = &[
    ("\"The leader's agent is frozen\"", "\" \"", "title"),
    ("\"The leader's agent is frozen\"", "\"a\\nb\"", "title"),
    ("[\"interrupted\"]", "[]", "profiles"),
    ("[\"interrupted\"]", "[\"interupted\"]", "profiles[0]"),
    ("[\"interrupted\"]", "[\"all\"]", "profiles[0]"),
    ("[\"interrupted\"]", "[\"stress\"]", "profiles[0]"),
    ("[\"interrupted\"]", "[\"core\", \"core\"]", "profiles[1]"),
    ("nodes = 2", "nodes = 0", "nodes"),
    ("nodes = 2", "nodes = 10", "nodes"),
    ("nodes = 2", "nodes = 1", "nodes"),
    ("etcd = 3", "etcd = 2", "etcd"),
    ("etcd = 3", "etcd = 0", "etcd"),
    ("needs = [\"watchdog\"]", "needs = [\"watchdogs\"]", "needs[0]"),
    ("needs = [\"watchdog\"]", "needs = [\"watchdog\", \"quorum\"]", "needs[1]"),
    ("needs = [\"watchdog\"]", "needs = [\"watchdog\", \"watchdog\"]", "needs[1]"),
    ("needs = [\"watchdog\"]", "needs = []", "settings.watchdog"),
    ("rules = [\"starts_crashed_primary: yes\"]", "rules = [\"starts_crashed: yes\"]", "rules[0]"),
    ("rules = [\"starts_crashed_primary: yes\"]", "rules = [\"starts_crashed_primary: maybe\"]", "rules[0]"),
    ("rules = [\"starts_crashed_primary: yes\"]", "rules = [\"starts_crashed_primary\"]", "rules[0]"),
    ("rules = [\"starts_crashed_primary: yes\"]", "rules = [\"words: master\", \"words: member\"]", "rules[1]"),
    ("loop_wait_s = 1", "loop_wait_s = 0", "settings.loop_wait_s"),
    ("loop_wait_s = 1", "loop_wait_s = 30", "settings.ttl_s"),
    ("loop_wait_s = 1", "loop_wait_s = 4294967295", "settings.loop_wait_s"),
    ("loop_wait_s = 1", "loop_wait = 1", "settings.loop_wait"),
    ("\nttl_s = 20", "\nttl_s = 5", "settings.ttl_s"),
    ("\nttl_s = 20", "\nttl_s = 0", "settings.ttl_s"),
    ("\nttl_s = 20", "\nttl_s = 20000", "settings.ttl_s"),
    ("\nttl_s = 20", "", "settings.ttl_s"),
    ("retry_timeout_s = 3", "retry_timeout_s = 2147483648", "settings.retry_timeout_s"),
    ("retry_timeout_s = 3", "retry_timeout_s = 0", "settings.retry_timeout_s"),
    ("retry_timeout_s = 3", "retry_timeout_s = 10", "settings.ttl_s"),
    ("primary_start_timeout_s = 300", "primary_start_timeout_s = 4000000000", "settings.primary_start_timeout_s"),
    ("settle_s = 120", "settle_s = 0", "settings.settle_s"),
    ("settle_s = 120", "settle_s = 10", "settings.settle_s"),
    ("settle_s = 120", "settle_s = 100000", "settings.settle_s"),
    ("watchdog = \"required\"", "watchdog = \"on\"", "settings.watchdog"),
    ("watchdog = \"required\"", "watchdog = \"off\"\nwatchdog_present = false", "settings.watchdog_present"),
    ("synchronous_mode = false", "synchronous_mode = \"quorum\"", "settings.synchronous_mode"),
    ("synchronous_mode = false", "failsafe_mode = true", "settings.failsafe_mode"),
    ("synchronous_mode = false", "standby_cluster = true", "settings.standby_cluster"),
    ("1048576", "9007199254740993", "settings.maximum_lag_on_failover"),
    ("[settings]", "[setings]", "setings"),
    ("[settings]", "[settings]\nnodes = 2", "settings.nodes"),
    ("[expect]", "[expected]", "expected"),
    ("[expect]", "[expect]\nttl_s = 20", "expect.ttl_s"),
    ("\"agent-frozen\"", "\"agent-froze\"", "step[0].fault"),
    ("\"agent-frozen\"", "\"meteor\"", "step[0].fault"),
    ("\"agent-frozen\"", "\"lease-expires\"", "step[0].fault"),
    ("\"agent-frozen\"", "\"dcs-down\"", "step[0].target"),
    ("\"agent-frozen\"", "\"postmaster-killed\"", "step[2].fault"),
    ("\"agent-frozen\"", "\"agent-frozen\"\nevery = true", "step[0].every"),
    ("\"agent-frozen\"", "\"agent-frozen\"\ndisturbance = \"etcd-compacted\"", "step[0]"),
    ("\"leader\"\n\n[[step]]", "\"first-hit\"\n\n[[step]]", "step[0].target"),
    ("\"leader\"\n\n[[step]]", "\"etcd\"\n\n[[step]]", "step[0].target"),
    ("\"leader\"\n\n[[step]]", "\"remote\"\n\n[[step]]", "step[0].target"),
    ("\"leader\"\n\n[[step]]", "\"n1\"\n\n[[step]]", "step[0].target"),
    ("target = \"leader\"\n\n[[step]]", "\n[[step]]", "step[0].target"),
    ("\"write-elsewhere\"", "\"written-elsewhere\"", "step[1].when"),
    ("\"write-elsewhere\"", "{ struck = \"agent-frozen\", starts = 1 }", "step[1].when"),
    ("\"write-elsewhere\"", "{ starts = { process = \"postgres\", at = \"leader\" } }", "step[1].when.starts.process"),
    ("\"write-elsewhere\"", "{ says = { at = \"leader\", name = \"\" } }", "step[1].when"),
    ("\"link-slowed\"", "\"link-slow\"", "step[1].disturbance"),
    ("\"link-slowed\"", "\"clock-restored\"", "step[1].disturbance"),
    ("delay_ms = 100\n", "", "step[1].delay_ms"),
    ("delay_ms = 100", "delay_ms = 0", "step[1].delay_ms"),
    ("delay_ms = 100", "delay_ms = 3600000", "step[1].delay_ms"),
    ("delay_ms = 100", "delay_ms = 100\nskew_s = 3", "step[1].skew_s"),
    ("disturbance = \"link-slowed\"", "disturbance = \"clock-skewed\"", "step[1].delay_ms"),
    ("is = \"primary\"", "is = \"master\"", "step[2].when.server.is"),
    ("at = \"other\", is", "at = \"otter\", is", "step[2].when.server.at"),
    ("[\"start-secondary\"]", "[\"start-secondry\"]", "expect.branches[0]"),
    ("[\"start-secondary\"]", "\"start-secondary\"", "expect.branches"),
    ("leader = \"other\"", "leader = \"n2\"", "expect.leader"),
    (
        "leader = \"other\"\ntimeline = \"bumped\"\nrejoins = \"standby\"",
        "leader = \"none\"\nrejoins = \"primary\"",
        "expect.rejoins",
    ),
    ("timeline = \"bumped\"", "timeline = 2", "expect.timeline"),
    ("single_user = false", "single_user = \"no\"", "expect.single_user"),
    ("\"starts_crashed_primary: no\"", "\"starts_primary: no\"", "expect.if.\"starts_primary: no\""),
    (
        "\"starts_crashed_primary: no\"",
        "\"starts_crashed_primary: maybe\"",
        "expect.if.\"starts_crashed_primary: maybe\"",
    ),
];

/// All of them.
pub fn all() -> Vec<Mistake> {
    let mut all = Vec::new();
    for (from, to, key) in MISTAKES {
        let text = replaced(SCENARIO, from, to);
        let one = made(format!("scenario: {from:?} is {to:?}"), || samples::scenario(&text));
        if let Some(told) = &one.told {
            assert_eq!(told.key.as_deref(), Some(*key), "{}: {told}", one.what);
        }
        all.push(one);
    }
    for name in ["lock", "LATEST", "templates", "results", "a.attempt-1", ".hidden", "-rf", "a b", "ä", "plan"] {
        let file = format!("{name}.toml");
        all.push(made(format!("scenario: is named {name}"), || Scenario::parse(Path::new(&file), SCENARIO)));
    }
    for id in ["leader-postmaster-killd", "../scenarios/leader-postmaster-killed", "/etc/passwd", "", "*", "a\0b"] {
        all.push(made(format!("scenario: {id:?} is asked for"), || Scenario::load(id)));
    }
    let steps =
        |count: usize| replaced(SCENARIO, "[expect]", &("[[step]]\nwhen = \"healthy\"\n".repeat(count) + "[expect]"));
    let one_step = SCENARIO.split("[[step]]").next().unwrap().to_owned() + "[expect]\n";
    for (what, text) in [
        ("is empty", String::new()),
        ("is a table", "[settings]\n".to_owned()),
        ("has no step", one_step.clone()),
        ("has an empty list of steps", format!("step = []\n{one_step}")),
        ("has too many steps", steps(100)),
        (
            "stops the DCS twice",
            replaced(
                SCENARIO,
                "[expect]",
                &("[[step]]\nfault = \"dcs-down\"\ntarget = \"etcd\"\n".repeat(2) + "[expect]"),
            ),
        ),
        ("has a long word", replaced(SCENARIO, "\"agent-frozen\"", &format!("\"{}\"", "x".repeat(1 << 20)))),
        ("has a long feature", replaced(SCENARIO, "[\"watchdog\"]", &format!("[\"{}\"]", "x".repeat(1 << 20)))),
        ("has a long rule", replaced(SCENARIO, "starts_crashed_primary: yes", &"x: ".repeat(1 << 18))),
    ] {
        all.push(made(format!("scenario: {what}"), || samples::scenario(&text)));
    }
    all
}
