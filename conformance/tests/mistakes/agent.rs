//! Values of a manifest that cannot be, and files that are none.

use super::samples::{self, AGENT};
use super::{Mistake, made, replaced};

/// A sound text, a mistake in its place, and the key that the error names.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("\"sample\"\n", "\" \"\n", "name"),
    ("\"sample\"\n", "\"../sample\"\n", "name"),
    ("\"sample\"\n", "\"a/b/c\"\n", "name"),
    ("\"sample\"\n", "\"a b\"\n", "name"),
    ("\"sample\"\n", "\"a\\u0007b\"\n", "name"),
    ("version = \"1.0\"", "version = \"1.0; rm\"", "version"),
    ("version = \"1.0\"", "version = \"--help\"", "version"),
    ("edition = \"4.1\"", "edition = \"4.2\"", "edition"),
    ("edition = \"4.1\"", "edition = \"newest\"", "edition"),
    ("sample:{{version}}", "sample:{{verison}}", "image"),
    ("sample:{{version}}", "sample image", "image"),
    ("sample:{{version}}", "Sample:1", "image"),
    ("sample:{{version}}", "-v/:/host", "image"),
    ("sample:{{version}}", "sample:", "image"),
    ("sample:{{version}}", "a//b", "image"),
    ("[\"build\", \"{{version}}\"]", "[]", "build"),
    ("[\"build\", \"{{version}}\"]", "[\"\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"/bin/sh\", \"-c\", \"id\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"../build\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"link\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"inner\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"biuld\"]", "build[0]"),
    ("[\"build\", \"{{version}}\"]", "[\"build\", \"{{release}}\"]", "build"),
    ("\"/service/{{scope}}/leader\"", "\"/service/{{cluster}}/leader\"", "leader_key"),
    ("\"/service/{{scope}}/leader\"", "\"/pghaspec/tick\"", "leader_key"),
    ("\"/service/{{scope}}/leader\"", "\" /leader\"", "leader_key"),
    ("\"/service/{{scope}}/leader\"", "\"/leader\\n\"", "leader_key"),
    ("/sync\"", "/leader\"", "sync_key"),
    ("\"/var/lib/postgresql\"", "\"var/lib\"", "data_volume"),
    ("\"/var/lib/postgresql\"", "\"/var/../etc\"", "data_volume"),
    ("\"/var/lib/postgresql\"", "\"/\"", "data_volume"),
    ("\"/var/lib/postgresql\"", "\"/proc/1\"", "data_volume"),
    ("\"/var/lib/postgresql\"", "\"/data/{{name}}\"", "data_volume"),
    ("\"releases.json\"", "\"../releases.json\"", "found"),
    ("\"releases.json\"", "\"/etc/shadow\"", "found"),
    ("\"releases.json\"", "\"none.json\"", "found"),
    ("from = \"sample.yml\"", "from = \"/etc/shadow\"", "files[0].from"),
    ("from = \"sample.yml\"", "from = \"../../etc/shadow\"", "files[0].from"),
    ("from = \"sample.yml\"", "from = \"link\"", "files[0].from"),
    ("from = \"sample.yml\"", "from = \"inner\"", "files[0].from"),
    ("from = \"sample.yml\"", "from = \"smaple.yml\"", "files[0].from"),
    ("\"/etc/sample.yml\"", "\"etc/sample.yml\"", "files[0].to"),
    ("\"/etc/sample.yml\"", "\"/etc/../sample.yml\"", "files[0].to"),
    ("\"/etc/sample.yml\"", "\"/etc/\"", "files[0].to"),
    ("\"/etc/sample.yml\"", "\"/\"", "files[0].to"),
    ("\"/etc/sample.yml\"", "\"/dev/null\"", "files[0].to"),
    ("[env]", "[[files]]\nfrom = \"sample.yml\"\nto = \"/etc/./sample.yml\"\n[env]", "files[1].to"),
    ("from = \"sample.yml\"", "from = \"odd.yml\"", "{{strat}}"),
    ("SAMPLE = ", "\"A=B\" = ", "env.\"A=B\""),
    ("SAMPLE = ", "\"\" = ", "env.\"\""),
    ("SAMPLE = ", "\"A B\" = ", "env.\"A B\""),
    ("SAMPLE = ", "\"1A\" = ", "env.1A"),
    ("SAMPLE = ", "PGHASPEC_WATCHDOG = ", "env.PGHASPEC_WATCHDOG"),
    ("SAMPLE = \"1\"", "SAMPLE = \"\\u0000\"", "env.SAMPLE"),
    ("SAMPLE = \"1\"", "SAMPLE = \"{{scope}}\"", "env.SAMPLE"),
    ("SAMPLE = \"1\"", "SAMPLE = 1", "env.SAMPLE"),
    ("postgres = 5432", "postgres = 0", "ports.postgres"),
    ("postgres = 5432", "postgres = 65536", "ports.postgres"),
    ("postgres = 5432", "postgres = 5432\nagent = 8008", "ports.agent"),
    ("user = \"postgres\"", "user = \"\\t\"", "credentials.user"),
    ("password = \"secret\"", "password = \"a\\u0000\"", "credentials.password"),
    ("[\"CREATE ROLE r\"]", "[\" \"]", "remote.sql[0]"),
    ("features = [\"watchdog\"]", "features = [\"watchdogs\"]", "claims.features[0]"),
    ("features = [\"watchdog\"]", "features = [\"watchdog\", \"failsave\"]", "claims.features[1]"),
    ("features = [\"watchdog\"]", "features = [\"standby_cluster\"]", "claims.features[0]"),
    ("'^sample '", "'.*'", "processes.agent"),
    ("'^sample '", "'.'", "processes.agent"),
    ("'^sample '", "'postgres'", "processes.agent"),
    ("'^sample '", "'$sample'", "processes.agent"),
    ("'^sample '", "'sample ('", "processes.agent"),
    ("'^sample '", "'(a{1000}){1000}'", "processes.agent"),
    ("'^sample '", "\"^\\S*sample\"", "processes.agent"),
    ("'promoted self'", "'promoted ('", "says[1].pattern"),
    ("'promoted self'", "''", "says[1].pattern"),
    ("'promoted self'", "'(promoted)?'", "says[1].pattern"),
    ("'promoted self'", "'(?<words>a)(?<words>b)'", "says[1].pattern"),
    ("branch = \"start-primary\"", "branch = \"start_primry\"", "says[0].branch"),
    ("branch = \"start-primary\"", "branch = \"start-primary\"\nname = \"started\"", "says[0]"),
    ("name = \"promoted\"\n", "", "says[1]"),
    ("\"0.9\" = \"2.1.2\"", "\"0.9\" = \"2.1\"", "releases.\"0.9\""),
    ("\"0.9\" = \"2.1.2\"", "\"0/9\" = \"2.1.2\"", "releases.\"0/9\""),
    ("start = \"primary_start_timeout\"", "scope = \"x\"", "variables.scope"),
    ("start = \"primary_start_timeout\"", "\"a b\" = \"x\"", "variables.\"a b\""),
    ("than = \"1.0\"", "than = \"newest\"", "older[0].than"),
    ("than = \"1.0\"", "than = \"0.1\"", "older[0].than"),
    ("than = \"1.0\"", "than = \"9.0\"", "older[0].than"),
    ("{ start = \"master_start_timeout\" }", "{ strat = \"x\" }", "older[0].variables.strat"),
    ("name = \"sample\"\n", "extends = \"patrony\"\n", "extends"),
    ("name = \"sample\"\n", "extends = \"agent.toml\"\n", "extends"),
    ("name = \"sample\"\n", "extends = \".\"\n", "extends"),
    ("name = \"sample\"\n", "extends = \"../agent.toml\"\n", "extends"),
    ("name = \"sample\"\n", "extends = \"/etc/hostname\"\n", "extends"),
    ("name = \"sample\"\n", "name = \"sample\"\nprepared_by = \"agent.toml\"\n", "prepared_by"),
    ("name = \"sample\"\n", "name = \"sample\"\nprepared_by = \"patroni-defects/control\"\n", "prepared_by"),
    ("name = \"sample\"\n", "", "name"),
    ("leader_key = \"/service/{{scope}}/leader\"\n", "", "leader_key"),
    ("image = \"sample:{{version}}\"\n", "", "image"),
    ("[ports]\npostgres = 5432\n", "", "ports"),
    ("[ports]\npostgres = 5432\n", "[ports]\n", "ports.postgres"),
    ("[ports]\npostgres = 5432\n", "[[ports]]\npostgres = 5432\n", "ports"),
    ("[credentials]", "[credential]", "credential"),
    ("[processes]", "[process]", "process"),
    ("[processes]\nagent = '^sample '\n", "", "processes"),
    ("[[says]]\npattern = 'promoted", "[says]\npattern = 'promoted", "says"),
    ("[claims]", "[claims]\nimage = \"x\"", "claims.image"),
    ("[claims]", "[claims", "claims"),
    ("[claims]", "[env]", "env"),
];

/// All of them.
pub fn all() -> Vec<Mistake> {
    let folder = samples::folder();
    let mut all = Vec::new();
    for (from, to, key) in MISTAKES {
        let text = replaced(AGENT, from, to);
        let one = made(format!("agent: {from:?} is {to:?}"), || samples::agent(folder.path(), text.as_bytes()));
        if let Some(told) = &one.told {
            assert_eq!(told.key.as_deref(), Some(*key), "{}: {told}", one.what);
        }
        all.push(one);
    }
    let many = format!("{AGENT}{}", "[[says]]\npattern = 'x'\nname = \"x\"\n".repeat(300));
    let large = format!("{AGENT}# {}\n", "x".repeat(5 << 20));
    for (what, text) in [
        ("is empty", Vec::new()),
        ("is a comment", b"# agent\n".to_vec()),
        ("is JSON", b"{\"name\": \"sample\"}".to_vec()),
        ("is YAML", b"---\nname: sample\n".to_vec()),
        ("is not UTF-8", [AGENT.as_bytes(), b"# \xff\n"].concat()),
        ("is UTF-16", "name".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("has carriage returns alone", AGENT.replace('\n', "\r").into_bytes()),
        ("has too many patterns", many.into_bytes()),
        ("is too large", large.into_bytes()),
        ("is nested", format!("name = {}", "[".repeat(100_000)).into_bytes()),
        ("has a long key", format!("{} = 1", "a.".repeat(100_000)).into_bytes()),
    ] {
        all.push(made(format!("agent: {what}"), || samples::agent(folder.path(), &text)));
    }
    all
}

#[test]
fn marks_and_line_ends_of_other_systems_are_no_mistakes() {
    let folder = samples::folder();
    samples::agent(folder.path(), format!("\u{feff}{AGENT}").as_bytes()).unwrap();
    samples::agent(folder.path(), AGENT.replace('\n', "\r\n").as_bytes()).unwrap();
}

#[test]
fn a_circle_of_manifests_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, key, other) in
        [("a", "extends", "b"), ("b", "prepared_by", "c"), ("c", "extends", "a"), ("d", "extends", "e")]
    {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        let text = format!("{key} = \"{other}/agent.toml\"\n");
        std::fs::write(folder.path().join(format!("{name}/agent.toml")), text).unwrap();
    }
    // Paths are below the folder of each, so a circle needs a link back.
    for name in ["a", "b", "c", "d"] {
        let error = pghaspec::manifest::Manifest::load(folder.path().join(name).to_str().unwrap()).unwrap_err();
        assert!(error.problem.contains("is not there"), "{error}");
    }
    for (text, key) in [("extends = \".\"\n", "extends"), ("prepared_by = \"agent.toml\"\n", "prepared_by")] {
        std::fs::write(folder.path().join("agent.toml"), text).unwrap();
        let error = pghaspec::manifest::Manifest::load(folder.path().to_str().unwrap()).unwrap_err();
        assert!(error.problem.contains("leads back to where it began"), "{error}");
        assert_eq!((error.key.as_deref(), error.line), (Some(key), Some(1)));
    }
    // One that goes down a folder each time ends by the number of them.
    let mut inner = folder.path().to_path_buf();
    for _ in 0..20 {
        std::fs::write(inner.join("agent.toml"), "extends = \"in/agent.toml\"\nprepared_by = \"in\"\n").unwrap();
        inner.push("in");
        std::fs::create_dir(&inner).unwrap();
    }
    let error = pghaspec::manifest::Manifest::load(folder.path().to_str().unwrap()).unwrap_err();
    assert!(error.problem.contains("manifests lead to one another"), "{error}");
}
