//! Scenarios as they are written: what is read, and what is refused with its place and a remedy.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::vocabulary::event::{Process, ServerState};

use super::*;

#[test]
fn every_scenario_of_the_fixtures_loads() {
    let all = Scenario::all().unwrap();
    assert!(all.iter().any(|scenario| scenario.id == "leader-postmaster-killed"));
    for scenario in all {
        assert!(!scenario.profiles.is_empty(), "{} is in no profile", scenario.id);
    }
}

#[test]
fn the_rule_of_the_lease_is_kept() {
    let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
    let text = input::read(&file).unwrap().replace("retry_timeout_s = 3", "retry_timeout_s = 10");
    let error = Scenario::parse(&file, &text).unwrap_err();
    assert_eq!(error.key.as_deref(), Some("settings.ttl_s"));
    assert!(error.line.is_some() && error.help.contains("write ttl_s = 21 or more"), "{error}");
}

#[test]
fn an_unknown_rule_is_told_with_its_place() {
    let file = fixtures::scenarios().join("killed-during-crash-recovery.toml");
    let text = input::read(&file).unwrap();
    assert_eq!(Scenario::parse(&file, &text).unwrap().rules, ["starts_crashed_primary: yes"]);
    let error = Scenario::parse(&file, &text.replace("starts_crashed_primary: yes", "starts: yes")).unwrap_err();
    assert_eq!((error.key.as_deref(), error.line.is_some()), (Some("rules[0]"), true), "{error}");
}

#[test]
fn an_unknown_fault_names_the_known_ones() {
    let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
    let text = input::read(&file).unwrap().replace("\"postmaster-killed\"", "\"meteor\"");
    let error = Scenario::parse(&file, &text).unwrap_err();
    assert_eq!(error.key.as_deref(), Some("step[0].fault"), "{error}");
    assert!(error.help.contains("postmaster-killed"), "{error}");
}

/// The error of a scenario with these steps: key, problem, remedy.
fn trouble(steps: &str) -> (String, String, String) {
    let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
    let text = input::read(&file).unwrap();
    let (head, rest) = text.split_once("[[step]]").unwrap();
    let expect = &rest[rest.find("[expect]").unwrap()..];
    let error = Scenario::parse(&file, &format!("{head}{steps}\n{expect}")).unwrap_err();
    (error.key.unwrap_or_default(), error.problem, error.help.into())
}

#[test]
fn steps_that_make_no_sense_are_refused() {
    let first = "[[step]]\nfault = \"postmaster-killed\"\ntarget = \"leader\"\n";
    let second = |lines: &str| trouble(&format!("{first}[[step]]\n{lines}"));
    let cases = [
        (
            trouble("[[step]]\nfault = \"postmaster-killed\"\ntarget = \"first-hit\""),
            "step[0].target",
            "nobody was hit",
        ),
        (second("target = \"leader\""), "step[1]", "a step does one thing"),
        (second("fault = \"lease-expires\"\ntarget = \"leader\""), "step[1].fault", "expires by itself"),
        (second("fault = \"dcs-down\"\ntarget = \"leader\""), "step[1].target", "cannot be done to that target"),
        (second("fault = \"agent-killed\"\ntarget = \"etcd\""), "step[1].target", "cannot be done to that target"),
        (second("lift = \"start-fails\"\ntarget = \"first-hit\""), "step[1].lift", "no trap for start-fails"),
        (
            second("fault = \"agent-killed\"\nevery = true\ntarget = \"leader\""),
            "step[1].every",
            "`every` says nothing",
        ),
        (
            second("fault = \"agent-killed\"\nduring = \"crash-recovery\"\nevery = true\ntarget = \"leader\""),
            "step[1].every",
            "`every` says nothing",
        ),
        (second("disturbance = \"link-slowed\"\ntarget = \"leader\""), "step[1].delay_ms", "wants `delay_ms`"),
        (
            second("when = \"soon\"\nfault = \"agent-killed\"\ntarget = \"leader\""),
            "step[1].when",
            "there is no value `soon`",
        ),
        (second("fault = \"dcs-up\"\ntarget = \"etcd\""), "step[1].fault", "no step before begins it"),
    ];
    for ((key, problem, help), wanted, part) in cases {
        assert_eq!(key, wanted, "{problem}");
        assert!(problem.contains(part), "{problem}");
        assert!(!help.is_empty());
    }
}

#[test]
fn steps_say_what_is_awaited_and_how() {
    let text = r#"
        title = "t"
        why = "w"
        profiles = ["core"]
        nodes = 2
        etcd = 3
        needs = ["watchdog"]
        step = [
            { fault = "single-user-fails", every = true, target = "leader" },
            { fault = "postmaster-killed", target = "first-hit" },
            { when = { struck = "single-user-fails" }, lift = "single-user-fails", target = "first-hit" },
            { fault = "dcs-down", outage = "freeze", target = "etcd", when.server = { at = "other", is = "primary" } },
            { when = "ttl-over", fault = "dcs-up", target = "etcd" },
            { fault = "node-killed", target = "other", when.starts = { process = "single-user", at = "first-hit" } },
        ]
        expect = { others = [], leader = "none" }
        [settings]
        loop_wait_s = 1
        ttl_s = 20
        retry_timeout_s = 3
        primary_start_timeout_s = 0
        watchdog = "required"
    "#;
    let scenario = Scenario::parse(Path::new("x.toml"), text).unwrap();
    let steps = scenario.steps;
    assert_eq!(steps[0].how, How { every: true, ..How::default() });
    assert_eq!(steps[2].when, Some(When::Struck(Fault::SingleUserFails)));
    assert_eq!(steps[2].action, Action::Lift(Fault::SingleUserFails));
    let primary = When::Server { at: Target::Other, is: ServerState::Primary };
    assert_eq!(steps[3].when, Some(primary));
    assert_eq!(steps[3].how.outage, Some(Outage::Freeze));
    let starts = ProcessAt { process: Process::SingleUser, at: Target::FirstHit };
    assert_eq!(steps[5].when, Some(When::Starts(starts)));
    assert_eq!(scenario.expect.others, Some(Vec::new()));
    assert_eq!(scenario.expect.branches, None);
    let configuration = scenario.settings.configuration(scenario.etcd);
    assert!(configuration.watchdog_required && configuration.watchdog_present && configuration.use_pg_rewind);
    assert_eq!(configuration.etcd_members, 3);
}

#[test]
fn the_node_hit_first_is_still_found_under_its_former_name() {
    let file = fixtures::scenarios().join("leader-node-killed.toml");
    let text = input::read(&file).unwrap();
    let former = text.replace("\"first-hit\"", "\"crashed\"");
    assert_ne!(text, former);
    assert_eq!(Scenario::parse(&file, &former).unwrap(), Scenario::parse(&file, &text).unwrap());
}

#[test]
fn agents_with_other_rules_have_demands_of_their_own() {
    let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
    let text = input::read(&file).unwrap();
    let expect = Scenario::parse(&file, &text).unwrap().expect;
    let newer = Edition::V3_0_4.rules();
    assert_eq!(expect.of(&newer), Expect { otherwise: Default::default(), ..expect.clone() });
    // 3.0.3 is nearer to the edition 3.0.4 than to 3.0.2, and has this rule of the older one.
    let between = Rules { starts_crashed_primary: false, watchdog_disabled_late: false, ..newer };
    for rules in [Edition::V2_1_2.rules(), Edition::V3_0_2.rules(), between] {
        let older = expect.of(&rules);
        assert_eq!(older.branches, Some(vec![Branch::CrashRecovery, Branch::StartReadOnly]));
        assert_eq!((older.leader, older.timeline), (Some(LeaderAfter::Same), Some(TimelineAfter::Bumped)));
    }
    for (damaged, words) in
        [("starts_primary: no", "there is no rule `starts_primary`"), ("starts_crashed_primary: maybe", "only: ")]
    {
        let error = Scenario::parse(&file, &text.replace("starts_crashed_primary: no", damaged)).unwrap_err();
        assert_eq!(error.key, Some(format!("expect.if.\"{damaged}\"")));
        assert!(error.to_string().contains(words), "{error}");
    }
    let nested = format!("{text}\n[expect.if.\"starts_crashed_primary: no\".if.\"words: master\"]\nleader = \"other\"");
    assert_eq!(
        Scenario::parse(&file, &nested).unwrap_err().key.unwrap(),
        "expect.if.\"starts_crashed_primary: no\".if"
    );
}

#[test]
fn an_unknown_scenario_names_the_known_ones() {
    let error = Scenario::load("no-such-thing").unwrap_err();
    assert!(error.help.contains("leader-postmaster-killed"), "{error}");
}

/// The page that describes the format.
fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).unwrap()
}

/// The complete example of the page.
fn example() -> String {
    page().split("```toml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_example_of_the_page_is_a_scenario() {
    let scenario = Scenario::parse(Path::new("example.toml"), &example()).unwrap();
    assert_eq!(scenario.steps.len(), 3);
}

#[test]
fn the_page_names_every_key_and_every_value() {
    let (page, example) = (page(), example());
    let replaced = |old: &str, new: &str| {
        assert!(example.contains(old), "{old}");
        example.replacen(old, new, 1)
    };
    let when = "when = \"write-elsewhere\"";
    let texts = [
        replaced("title =", "nonsense = 1\ntitle ="),
        replaced("[settings]", "[settings]\nnonsense = 1"),
        replaced("[settings]", "[settings]\nwatchdog = \"nonsense\""),
        replaced("[[step]]", "[[step]]\nnonsense = 1"),
        replaced("target = \"leader\"", "target = \"nonsense\""),
        replaced(when, "when = \"nonsense\""),
        replaced(when, "when.starts = { process = \"nonsense\", at = \"leader\" }"),
        replaced(when, "when.server = { is = \"nonsense\", at = \"leader\" }"),
        replaced(when, "during = \"nonsense\""),
        replaced(when, "outage = \"nonsense\""),
        replaced(when, "process = \"nonsense\""),
        replaced(when, "direction = \"nonsense\""),
        replaced("[expect]", "[expect]\nnonsense = 1"),
        replaced("leader = \"other\"", "leader = \"nonsense\""),
        replaced("timeline = \"bumped\"", "timeline = \"nonsense\""),
        replaced("rejoins = \"standby\"", "rejoins = \"nonsense\""),
    ];
    for text in texts {
        // The error names all that could stand there.
        let error = Scenario::parse(Path::new("example.toml"), &text).unwrap_err();
        let lists = ["the keys here are ", "use one of: ", "one of the keys: "];
        let lists = lists.iter().filter_map(|list| error.help.split(list).nth(1)?.split(';').next());
        let known: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
        assert!(!known.is_empty() && !known.contains(&""), "{error}");
        for name in known.into_iter().filter(|name| *name != "if") {
            let said = [format!("`{name}`"), format!("`\"{name}\"`"), format!("`{{ {name} = "), format!("`[{name}]`")];
            let said = said.iter().any(|said| page.contains(said)) || page.contains(&format!("`[[{name}]]`"));
            assert!(said, "the page does not say `{name}`");
        }
    }
}
