//! The commands around a certificate: what they say, their exit codes, and what they refuse.

use std::fs;

use serde_json::json;

use crate::sample::{RESTART, failing, passing, pghaspec, run};

#[test]
fn a_certificate_is_made_again_from_the_evidence() {
    let sample = passing();
    let (code, document) = sample.verify(&[]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!((&document["standing"], &document["verdict"]), (&"self-consistent".into(), &"pass".into()));
    let certificate = sample.read("certificate.json");
    fs::remove_file(sample.folder.join("certificate.json")).unwrap();
    let (code, document) = sample.verify(&[]);
    assert_eq!(code, 2);
    assert!(document.as_str().unwrap().contains("pghaspec report"), "{document}");
    assert!(sample.report());
    assert_eq!(sample.read("certificate.json"), certificate, "byte for byte");
    // The folder may have another name, and the run another place.
    let moved = sample.folder.with_file_name("downloaded");
    fs::rename(&sample.folder, &moved).unwrap();
    assert_eq!(pghaspec(&["verify", moved.to_str().unwrap()]).status.code(), Some(0));
}

#[test]
fn a_certificate_says_all_that_a_reader_hangs_something_on() {
    let sample = passing();
    let document: serde_json::Value = serde_json::from_str(&sample.read("certificate.json")).unwrap();
    assert_eq!(document["agent"]["manifest"], "suite");
    assert_eq!(document["agent"]["claims"]["version"], "4.1.5");
    assert!(document["agent"]["claims"]["files"]["suite:agents/patroni/agent.toml"].is_string());
    assert_eq!(document["agent"]["image"]["packages"][0]["name"], "postgresql-17");
    assert_eq!((&document["held"]["profile"], &document["held"]["complete"]), (&"smoke".into(), &true.into()));
    assert!(document["held"]["not_run"].as_array().unwrap().len() > 100);
    assert_eq!(document["counts"]["pass"], 3);
    assert!(document["scenarios"][1]["measured"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(document["machine"]["cpus"], 2);
    // Every file but those that are made from others.
    let made = ["certificate.json", "results.json", "junit.xml", "report.html"];
    let recorded = sample.files().into_iter().filter(|file| !made.contains(&file.as_str()) && !file.ends_with(".svg"));
    let evidence = document["evidence"].as_object().unwrap();
    assert_eq!(evidence.keys().cloned().collect::<Vec<_>>(), recorded.collect::<Vec<_>>());
}

/// A suite that is not there demands nothing, so that nothing may be judged by it.
#[test]
fn without_a_suite_nothing_is_judged() {
    let sample = failing();
    let history = sample.folder.join(RESTART).join("events.jsonl").display().to_string();
    let empty = tempfile::tempdir().unwrap();
    for folder in ["/nowhere", empty.path().to_str().unwrap()] {
        for args in [&["judge", &history][..], &["verify", sample.path()], &["report", sample.path()]] {
            let command = std::process::Command::new(env!("CARGO_BIN_EXE_pghaspec"))
                .args(args)
                .env("PGHASPEC_FIXTURES", folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&command.stderr);
            assert_eq!(command.status.code(), Some(3), "{args:?}: {said}");
            assert!(said.contains("PGHASPEC_FIXTURES names") && said.contains("no folder `scenarios`"), "{said}");
        }
    }
}

#[test]
fn a_failure_that_verifies_is_still_a_failure() {
    let sample = failing();
    let (code, document) = sample.verify(&[]);
    assert_eq!((code, &document["verdict"]), (0, &"fail".into()), "{document:#}");
    for (args, code) in [
        (&["--require", "pass"][..], 1),
        (&["--require", "as-expected"], 1),
        (&["--require-profile", "smoke"], 0),
        (&["--require-profile", "core"], 1),
        (&["--require-profile", "smok"], 2),
        (&["--require", "fail"], 2),
    ] {
        assert_eq!(sample.verify(args).0, code, "{args:?}");
    }
    let good = passing();
    assert_eq!(good.verify(&["--require", "pass", "--require-profile", "smoke"]).0, 0);
    assert_eq!(good.verify(&["--require-profile", "all"]).0, 1);
}

#[test]
fn a_choice_of_scenarios_is_no_profile() {
    let sample = run("patroni@4.1.5", None, &[(RESTART, "sound")]);
    let (code, document) = sample.verify(&["--require", "pass"]);
    assert_eq!((code, &document["complete"]), (0, &false.into()), "{document:#}");
    assert_eq!(sample.verify(&["--require-profile", "smoke"]).0, 1);
    let words = String::from_utf8(pghaspec(&["verify", sample.path()]).stdout).unwrap();
    assert!(words.contains("a choice of scenarios, 1 scenario"), "{words}");
}

#[test]
fn who_stands_for_a_certificate_is_known_by_a_key() {
    let sample = passing();
    let keys = tempfile::tempdir().unwrap();
    let [secret, public, other, others] =
        ["secret", "public", "other", "others"].map(|name| keys.path().join(name).display().to_string());
    for (secret, public) in [(&secret, &public), (&other, &others)] {
        let made = pghaspec(&["sign", "--generate", public, "--secret-key", secret]);
        assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&secret).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let again = pghaspec(&["sign", "--generate", &public, "--secret-key", &secret]);
    assert_eq!(again.status.code(), Some(2), "no key is written over");

    let (code, document) = sample.verify(&["--public-key", &public]);
    assert_eq!((code, &document["standing"]), (1, &"self-consistent".into()), "it is not signed");
    assert!(document["unmet"][0].as_str().unwrap().contains("it is not signed"), "{document:#}");
    let signed = pghaspec(&["sign", sample.path(), "--secret-key", &secret]);
    assert_eq!(signed.status.code(), Some(0), "{}", String::from_utf8_lossy(&signed.stderr));
    let (code, document) = sample.verify(&["--public-key", &public]);
    assert_eq!((code, &document["standing"]), (0, &"signed".into()), "{document:#}");
    let (code, document) = sample.verify(&[]);
    assert_eq!((code, &document["standing"]), (0, &"self-consistent".into()), "nobody said that the key is good");
    assert!(fs::read_to_string(&public).unwrap().contains(document["signed_by"].as_str().unwrap()));
    let (code, document) = sample.verify(&["--public-key", &others]);
    assert_eq!((code, &document["standing"]), (1, &"self-consistent".into()), "another's key");
    assert!(document["unmet"][0].as_str().unwrap().contains("it has another"), "{document:#}");
    let (code, said) = sample.verify(&["--public-key", &secret]);
    assert!(code == 2 && said.as_str().unwrap().contains(&format!("{secret}: is no public key")), "{code} {said}");

    // What was signed is not another run.
    sample.edit("machine.json", |machine| machine["cpus"] = 64.into());
    assert!(sample.report());
    let (code, document) = sample.verify(&["--public-key", &public]);
    assert_eq!((code, &document["standing"]), (1, &"denied".into()), "{document:#}");
    assert_eq!(sample.verify(&[]).0, 1, "the signature is of another certificate");
    // It can be signed again, by whoever has the key.
    assert_eq!(pghaspec(&["sign", sample.path(), "--secret-key", &secret]).status.code(), Some(0));
    assert_eq!(sample.verify(&["--public-key", &public]).0, 0);
}

#[test]
fn what_does_not_verify_is_not_signed() {
    let sample = passing();
    let keys = tempfile::tempdir().unwrap();
    let [secret, public] = ["secret", "public"].map(|name| keys.path().join(name).display().to_string());
    assert_eq!(pghaspec(&["sign", "--generate", &public, "--secret-key", &secret]).status.code(), Some(0));
    sample.replace("results.json", "patroni", "betroni");
    let refused = pghaspec(&["sign", sample.path(), "--secret-key", &secret]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!sample.folder.join("certificate.json.minisig").exists());
    assert_eq!(pghaspec(&["sign", sample.path()]).status.code(), Some(2));
    assert_eq!(pghaspec(&["sign", "--secret-key", &secret]).status.code(), Some(2));
}

#[test]
fn what_another_pghaspec_judged_is_not_judged_here() {
    for (field, value) in [("pghaspec", json!("0.0.9")), ("suite", json!("00")), ("certificate", json!(2))] {
        let sample = passing();
        sample.edit("certificate.json", |document| document[field] = value);
        assert_eq!(sample.verify(&[]).0, 2, "{field}");
    }
}
