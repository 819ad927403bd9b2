//! Forgeries of what is made from the evidence: `report` undoes them.

use serde_json::json;

use crate::forgeries::{Forgery, denied, drop_scenario};
use crate::sample::{FAILOVER, RESTART, Sample, failing, passing, pghaspec};

fn claim_pass(sample: &Sample) {
    for file in ["results.json", "certificate.json"] {
        sample.edit(file, |document| {
            document["verdict"] = "pass".into();
            document["as_expected"] = true.into();
            document["deviations"]["unknown"] = json!([]);
            for one in document["scenarios"].as_array_mut().unwrap() {
                one["verdict"] = "pass".into();
            }
        });
    }
}

/// The forgeries.
const OF_DOCUMENTS: &[Forgery] = &[
    (
        "the verdict of all documents",
        "certificate.json: verdict: says pass, and the evidence says fail",
        failing,
        claim_pass,
    ),
    (
        "the verdict of the certificate",
        "certificate.json: verdict: says pass, and the evidence says fail",
        failing,
        |s| s.edit("certificate.json", |it| it["verdict"] = "pass".into()),
    ),
    (
        "one check of the certificate",
        "checks.allowed-by-the-model: says pass, and the evidence says fail",
        failing,
        |s| {
            s.edit("certificate.json", |it| it["scenarios"][1]["checks"]["allowed-by-the-model"] = "pass".into());
        },
    ),
    ("as expected", "certificate.json: as_expected: says true, and the evidence says false", failing, |s| {
        s.edit("certificate.json", |it| it["as_expected"] = true.into())
    }),
    ("unknown deviations of the certificate", "certificate.json: deviations.unknown", failing, |s| {
        s.edit("certificate.json", |it| it["deviations"]["unknown"] = json!([]));
    }),
    ("measured times of the certificate", "measured.fault-to-key-change.seconds.0: says 0.1,", passing, |s| {
        s.edit("certificate.json", |it| it["scenarios"][1]["measured"][0]["seconds"] = json!([0.1, 0.2]));
    }),
    ("counts", "certificate.json: counts.", failing, |s| {
        s.edit("certificate.json", |it| it["counts"] = json!({"pass": 3}))
    }),
    (
        "the machine of the certificate",
        "certificate.json: machine.cpus: says 64, and the evidence says 2",
        passing,
        |s| s.edit("certificate.json", |it| it["machine"]["cpus"] = 64.into()),
    ),
    ("the packages of the certificate", "certificate.json: agent.image.packages", passing, |s| {
        s.edit("certificate.json", |it| it["agent"]["image"]["packages"] = json!([]));
    }),
    (
        "scenarios of the certificate twice",
        "certificate.json: scenarios: not in the order of the evidence, or doubled",
        passing,
        |s| {
            s.edit("certificate.json", |it| {
                let one = it["scenarios"][0].clone();
                it["scenarios"].as_array_mut().unwrap().push(one);
            });
        },
    ),
    ("evidence of the certificate left out", "certificate.json: evidence.plan.json: says nothing", passing, |s| {
        s.edit("certificate.json", |it| {
            it["evidence"].as_object_mut().unwrap().remove("plan.json");
        });
    }),
    (
        "the certificate of another run",
        "certificate.json: agent.claims.name: says patroni, and the evidence says patroni-defects/keeps-lock",
        failing,
        |s| s.write("certificate.json", &passing().read("certificate.json")),
    ),
    (
        "the manifest is the suite's",
        "certificate.json: agent.manifest: says own, and the evidence says suite",
        passing,
        |s| s.edit("certificate.json", |it| it["agent"]["manifest"] = "own".into()),
    ),
    (
        "the profile of the certificate",
        "certificate.json: held.profile: says core, and the evidence says smoke",
        passing,
        |s| s.edit("certificate.json", |it| it["held"]["profile"] = "core".into()),
    ),
    ("junit without the failure", "junit.xml: is not what the evidence gives", failing, |s| {
        s.write("junit.xml", &passing().read("junit.xml"))
    }),
    ("a page that says pass", "report.html: is not what the evidence gives", failing, |s| {
        s.replace("report.html", ">fail<", ">pass<")
    }),
    (
        "a picture of another scenario",
        "leader-postmaster-killed-start-timeout-0/history.svg: is not what the evidence gives",
        failing,
        |s| {
            s.write(&format!("{FAILOVER}/history.svg"), &s.read(&format!("{RESTART}/history.svg")));
        },
    ),
    (
        "a picture that is no picture",
        "leader-postmaster-killed/history.svg: is not what the evidence gives",
        passing,
        |s| s.write(&format!("{RESTART}/history.svg"), "<svg></svg>"),
    ),
];

#[test]
fn documents_say_what_the_evidence_says() {
    for (name, told, begin, forge) in OF_DOCUMENTS {
        let sample = begin();
        let (_, before) = sample.verify(&[]);
        forge(&sample);
        denied(&sample, told, name);
        assert!(sample.report(), "{name}");
        assert_eq!(sample.verify(&[]), (0, before), "{name}: all is as it was");
    }
}

/// A document that is written otherwise, and says the same, is another document: its digest is.
#[test]
fn a_certificate_is_written_in_one_way() {
    let sample = passing();
    let text = sample.read("certificate.json");
    sample.write("certificate.json", &text.replace("  ", "\t"));
    denied(&sample, "certificate.json: is not written as pghaspec writes it", "tabs");
}

/// A forgery is told by where it is, and what is wrong there.
#[test]
fn a_denial_says_where_and_why() {
    let sample = failing();
    drop_scenario(&sample, FAILOVER);
    assert!(sample.report());
    let words = String::from_utf8(pghaspec(&["verify", sample.path()]).stdout).unwrap();
    assert!(words.starts_with("denied: this folder is not what it says\n"), "{words}");
    assert!(words.contains(&format!("plan.json: lacks {FAILOVER}, which belongs to the profile smoke")), "{words}");
}
