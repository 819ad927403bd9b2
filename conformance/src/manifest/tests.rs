use std::fs;

use pghaspec_model::recover::branch::Branch;

use super::says::meaning_of;
use super::*;

const SOUND: &str = r#"
name = "sample"
version = "1.0"
edition = "4.1"
image = "sample:{{version}}"
leader_key = "/service/{{scope}}/leader"
files = [{ from = "sample.yml", to = "/etc/sample.yml", template = true }]

[ports]
postgres = 5432

[credentials]
user = "postgres"
password = "p"

[processes]
agent = '^sample '

[[says]]
pattern = 'starting primary after failure'
branch = "start-primary"

[[says]]
pattern = 'promoted self'
name = "promoted"

[releases]
"0.9" = "2.1.2"
"#;

/// Writes a manifest and its file into a folder, and loads it.
fn load(text: &str, release: &str) -> Result<Manifest, InputError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("agent.toml"), text).unwrap();
    fs::write(folder.path().join("sample.yml"), "name: {{name}}\n").unwrap();
    Manifest::load(&format!("{}{release}", folder.path().display()))
}

#[test]
fn a_sound_manifest_loads() {
    let manifest = load(SOUND, "").unwrap();
    assert_eq!(manifest.image, "sample:1.0");
    let (words, meaning) = meaning_of(&manifest.says, "INFO: starting primary after failure").unwrap();
    assert_eq!(meaning, Meaning::Branch(Branch::StartPrimary));
    assert_eq!(words, "starting primary after failure");
}

#[test]
fn a_release_selects_image_and_edition() {
    let manifest = load(SOUND, "@0.9").unwrap();
    assert_eq!((manifest.image.as_str(), manifest.edition.as_deref()), ("sample:0.9", Some("2.1.2")));
    let error = load(SOUND, "@7").unwrap_err();
    assert!(error.help.contains("1.0, 0.9"), "{error}");
}

#[test]
fn what_was_found_of_a_release_counts() {
    let manifest = Manifest::load("patroni@3.0.3").unwrap();
    assert_eq!(manifest.edition.as_deref(), Some("3.0.4"));
    assert_eq!(manifest.rules, ["starts_crashed_primary: no", "watchdog_disabled_late: no"]);
    let manifest = Manifest::load("patroni").unwrap();
    assert_eq!((manifest.edition.as_deref(), manifest.rules.len()), (Some("4.1"), 0));
    let error = Manifest::load("patroni@1.6.5").unwrap_err();
    assert!(error.help.contains("2.1.2, 2.1.3") && error.help.contains("pghaspec diff --release 1.6.5"), "{error}");
}

#[test]
fn older_releases_have_variables_of_their_own() {
    let name =
        |release: &str| Manifest::load(&format!("patroni@{release}")).unwrap().variables["start_timeout"].clone();
    assert_eq!(name("2.1.7"), "master_start_timeout");
    assert_eq!(name("3.0.0"), "primary_start_timeout");
    assert_eq!(name("3.3.10"), "primary_start_timeout");
    let older = "[variables]\nv = \"new\"\n[[older]]\nthan = \"0.8\"\nvariables = { v = \"first\" }\n\
                 [[older]]\nthan = \"0.10\"\nvariables = { v = \"second\" }\n[releases]\n\"0.7\" = \"2.1.2\"";
    let text = SOUND.replace("[releases]", older);
    let of = |release| load(&text, release).unwrap().variables["v"].clone();
    assert_eq!(["@0.7", "@0.9", "@1.0"].map(of), ["first", "second", "new"]);
    let error = load(&text.replace("\"0.8\"", "\"eight\""), "").unwrap_err();
    assert_eq!(error.key.as_deref(), Some("older[0].than"));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = load(&SOUND.replace("[ports]", "colour = \"red\"\n[ports]"), "").unwrap_err();
    assert_eq!(error.line, Some(9));
    assert_eq!(error.key.as_deref(), Some("colour"), "{error}");
    let error = load(&SOUND.replace("[ports]", "[ports]\nimage = \"x\""), "").unwrap_err();
    assert!(error.help.contains("move it to the head of the file"), "{error}");
    let error = load(&SOUND.replace("[ports]", "pattern = 'x'\n[ports]"), "").unwrap_err();
    assert!(error.help.contains("move it below `[[says]]`"), "{error}");
}

#[test]
fn a_bad_pattern_is_named_with_its_place() {
    let error = load(&SOUND.replace("'promoted self'", "'promoted ('"), "").unwrap_err();
    assert_eq!(error.key.as_deref(), Some("says[1].pattern"));
    assert_eq!(error.line, Some(24));
}

#[test]
fn an_unknown_branch_names_the_known_ones() {
    let error = load(&SOUND.replace("\"start-primary\"", "\"start-anything\""), "").unwrap_err();
    assert_eq!(error.key.as_deref(), Some("says[0].branch"));
    assert!(error.help.contains("start-primary"), "{error}");
}

#[test]
fn words_need_one_meaning() {
    let error = load(&SOUND.replace("name = \"promoted\"", ""), "").unwrap_err();
    assert_eq!(error.key.as_deref(), Some("says[1]"));
}

#[test]
fn a_missing_file_is_named() {
    let error = load(&SOUND.replace("\"sample.yml\"", "\"other.yml\""), "").unwrap_err();
    assert!(error.problem.contains("other.yml"), "{error}");
    assert_eq!(error.key.as_deref(), Some("files[0].from"));
}

#[test]
fn a_missing_key_is_named() {
    let error = load(&SOUND.replace("version = ", "#version = "), "").unwrap_err();
    assert_eq!(error.key.as_deref(), Some("version"));
}

#[test]
fn an_unknown_agent_names_the_known_ones() {
    let error = Manifest::load("no-such-agent").unwrap_err();
    assert!(error.help.contains("patroni"), "{error}");
}

#[test]
fn every_agent_of_the_fixtures_loads() {
    let all = Manifest::all().unwrap();
    assert!(all.iter().any(|manifest| manifest.name == "patroni"));
}

#[test]
fn patroni_repeats_a_decision_while_it_is_carried_out() {
    let says = Manifest::load("patroni").unwrap().says;
    let stamp = "2026-11-22T12:02:21.828Z INFO: ";
    let meaning = |words: &str| meaning_of(&says, &format!("{stamp}{words}")).map(|(_, meaning)| meaning);
    assert_eq!(meaning("starting primary after failure"), Some(Meaning::Branch(Branch::StartPrimary)));
    assert_eq!(meaning("updated leader lock during starting primary after failure"), None);
    assert_eq!(meaning("running pg_rewind from n2"), Some(Meaning::Branch(Branch::Rewind)));
    assert_eq!(meaning("running pg_rewind from n2 in progress"), None);
    assert_eq!(meaning("running pg_rewind from dbname=postgres user=rewind host=n2"), None);
    let line = format!("{stamp}Primary crashed. Failing over.");
    let (words, _) = meaning_of(&says, &line).unwrap();
    assert_eq!(words, "Primary crashed. Failing over.");
}

#[test]
fn a_defect_begins_with_a_cluster_that_a_sound_agent_has_prepared() {
    let defect = Manifest::load("patroni-defects/keeps-lock").unwrap();
    let sound = defect.prepared_by.unwrap();
    assert_eq!((sound.name.as_str(), &sound.image, sound.files.len()), ("patroni", &defect.image, 1));
    assert_eq!(defect.files.len(), 3);
    let error = load(&SOUND.replace("image =", "prepared_by = \"patroni-defects/control\"\nimage ="), "").unwrap_err();
    assert!(error.problem.contains("does not prepare its own"), "{error}");
    assert_eq!((error.key.as_deref(), error.line), (Some("prepared_by"), Some(5)));
    let other = SOUND.replace("1.0", "4.1.5").replace("image =", "prepared_by = \"patroni\"\nimage =");
    let error = load(&other, "").unwrap_err();
    assert!(error.problem.contains("another image"), "{error}");
}

#[test]
fn limits_are_read_one_by_one_and_have_ranges() {
    assert_eq!(load(SOUND, "").unwrap().limits, Limits { memory_mib: 1024, pids: 512, log_mib: 64 });
    let with = |limits: &str| load(&SOUND.replace("[ports]", &format!("[limits]\n{limits}\n[ports]")), "");
    assert_eq!(with("pids = 64").unwrap().limits, Limits { pids: 64, ..Limits::default() });
    for (wrong, key) in [
        ("memory_mib = 255", "memory_mib"),
        ("memory_mib = 4294967552", "memory_mib"),
        ("pids = -1", "pids"),
        ("pids = 0", "pids"),
        ("log_mib = 1025", "log_mib"),
    ] {
        let error = with(wrong).unwrap_err();
        assert_eq!((error.key.as_deref(), error.line), (Some(&*format!("limits.{key}")), Some(10)), "{error}");
        assert!(error.help.contains("from") && error.help.contains("to"), "{error}");
    }
    assert!(with("cpus = 2").unwrap_err().to_string().contains("cpus"));
    assert_eq!(with("pids = \"many\"").unwrap_err().line, Some(10));
}

#[test]
fn a_manifest_outside_of_the_fixtures_is_a_strangers() {
    for own in ["patroni", "patroni@4.1.5", "patroni-defects/keeps-lock"] {
        assert!(!super::is_foreign(own).unwrap(), "{own}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, "extends = 'patroni'").unwrap();
    for foreign in [folder.path(), &file] {
        assert!(super::is_foreign(&foreign.display().to_string()).unwrap(), "{}", foreign.display());
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(fixtures::agents().join("patroni"), &link).unwrap();
    assert!(!super::is_foreign(&link.display().to_string()).unwrap());
}

#[test]
fn the_programs_of_an_agent_stand_in_its_pattern_or_are_named() {
    let names = |processes: &str| {
        load(&SOUND.replace("agent = '^sample '", processes), "").map(|manifest| manifest.process_names)
    };
    for (pattern, programs) in [
        (r"^\S*python\S* /opt/agent/bin/patroni ", &["patroni"][..]),
        (r"^\S*pg_autoctl(:| )", &["pg_autoctl"]),
        (r"^\S*(corosync|pacemakerd)( |$)", &["corosync", "pacemakerd"]),
        (r"\bmy\-agent\.sh\b", &["my-agent.sh"]),
        (r"^bash /agent --name n\d$", &["agent"]),
    ] {
        assert_eq!(names(&format!("agent = '{pattern}'")).unwrap(), programs, "{pattern}");
    }
    let named = names("agent = '^sample '\nnames = ['sampled', 'sample-helper']").unwrap();
    assert_eq!(named, ["sampled", "sample-helper"]);
    for (written, key, words) in [
        (r"agent = '^\d+ '", "processes.agent", "names no program"),
        ("agent = '^sample '\nnames = []", "processes.names", "names no program"),
        ("agent = '^sample '\nnames = ['a/b']", "processes.names[0]", "`a/b`"),
        ("agent = '^sample '\nnames = ['python3.13']", "processes.names[0]", "runs programs of anybody"),
    ] {
        let error = names(written).unwrap_err();
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_node_may_have_a_command() {
    let node = |keys: &str| load(&format!("{SOUND}\n[node]\n{keys}\n"), "").map(|manifest| manifest.node.unwrap());
    let all = "command = ['/usr/bin/sample', '--name', '{{name}}']\nuser = 'postgres'\nclear = ['/run/sample']";
    let found = node(all).unwrap();
    assert_eq!(found.command, ["/usr/bin/sample", "--name", "{{name}}"]);
    assert_eq!((found.user.as_deref(), &found.clear[..]), (Some("postgres"), &["/run/sample".to_owned()][..]));
    assert_eq!(load(SOUND, "").unwrap().node, None);
    for (keys, key, words) in [
        ("command = []", "node.command", "is empty"),
        ("command = ['']", "node.command[0]", "is empty"),
        ("command = ['x', '{{nam}}']", "node.command[1]", "`nam`"),
        ("command = ['x']\nuser = 'a b'", "node.user", "`a b`"),
        ("command = ['x']\nclear = ['run']", "node.clear[0]", "run"),
        ("command = ['x']\nclear = ['/']", "node.clear[0]", "is the root of all"),
        ("user = 'postgres'", "node.command", "missing"),
    ] {
        let error = node(keys).unwrap_err();
        assert!(error.to_string().contains(words), "{keys}: {error}");
        assert!(error.key.as_deref().is_some_and(|at| at == key || key == "node.command"), "{keys}: {error}");
    }
    // What holds the data is not emptied.
    let data = SOUND.replace("[ports]", "data_volume = '/var/lib/sample'\n\n[ports]");
    let data = data
        .replacen("files = ", "data_volume = '/var/lib/sample'\nfiles = ", 1)
        .replace("data_volume = '/var/lib/sample'\n\n[ports]", "[ports]");
    for folder in ["/var/lib/sample", "/var/lib", "/var/lib/"] {
        let text = format!("{data}\n[node]\ncommand = ['x']\nclear = ['{folder}']\n");
        assert!(load(&text, "").unwrap_err().to_string().contains("may be emptied"), "{folder}");
    }
}
