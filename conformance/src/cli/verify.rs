//! `pghaspec verify`: makes the certificate of a run again from its evidence, and says whether it is what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Failure, known, print};
use crate::certificate;
use crate::certificate::objections::objections;
use crate::certificate::signature::{self, BadSignature, PublicKey};
use crate::certificate::{Certificate, ManifestOf, differences, suite_sha256};
use crate::input;
use crate::input::{InputError, shown};
use crate::judge::Verdict;
use crate::report;
use crate::report::Results;
use crate::report::evaluate::{RecordedRun, drawn};
use crate::run::contents::{Contents, MADE, MOST_BYTES, PICTURE, SIGNATURE};
use crate::run::plan::Plan;
use crate::run::spec::SPEC_SHA256;
use crate::scenario::profile::PROFILES;
use crate::untrusted::file;

/// Most objections to one file that are shown.
const MOST_SHOWN: usize = 5;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a run, with certificate.json in it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Exit with 1 unless the verdict is this: a certificate that verifies may be one of a failure.
    #[arg(long, value_name = "VERDICT")]
    require: Option<Required>,
    /// Exit with 1 unless every scenario of this profile was run (`pghaspec list profiles`).
    #[arg(long, value_name = "PROFILE")]
    require_profile: Option<String>,
    /// Exit with 1 unless the certificate is signed with this key, of minisign or of `pghaspec sign --generate`.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The verdict that is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Required {
    /// Nothing failed, and all that the agent claims was seen.
    Pass,
    /// Nothing failed but what is known to, and what is known to fail does.
    AsExpected,
}

/// The standing of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// It is not what it says.
    Denied,
    /// All of it comes from the evidence, which anybody can have made.
    SelfConsistent,
    /// That, and whoever holds the key that was named stands for it.
    Signed,
}

/// What there is to say of a certificate.
#[derive(Serialize)]
pub struct Verification {
    standing: Standing,
    agent: String,
    version: String,
    /// The manifest is the suite's, or the agent's own.
    manifest: ManifestOf,
    profile: Option<String>,
    /// Every scenario of the profile was run.
    complete: bool,
    scenarios: usize,
    /// Number of those that passed.
    passed: usize,
    verdict: Verdict,
    as_expected: bool,
    /// Number of failures that are known deviations.
    known_deviations: usize,
    /// The key that signed it, by its own word unless that key was named.
    signed_by: Option<String>,
    /// Reasons why it is denied, each with its file.
    pub objections: Vec<String>,
    /// Requirements that it does not meet, though it may be what it says.
    unmet: Vec<String>,
}

impl Verification {
    /// It is what it says.
    pub fn holds(&self) -> bool {
        self.standing != Standing::Denied
    }
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    if let Some(profile) = &args.require_profile {
        let ids = PROFILES.map(|profile| profile.id);
        known("profile", profile, |word| ids.contains(&word).then_some(()), &ids)?;
    }
    let key = args.public_key.as_deref().map(named_key).transpose()?;
    let mut document = verify(&args.folder, key.as_ref())?;
    document.unmet.extend(unmet(args, &document));
    print(args.json, &document, || text(&document, key.is_some()))?;
    Ok(u8::from(!document.holds() || !document.unmet.is_empty()))
}

/// The public key in a file.
fn named_key(path: &Path) -> Result<PublicKey, InputError> {
    let text = input::read_up_to(path, signature::MOST_BYTES)?;
    signature::public_key(&text).map_err(|error| {
        let help = "name the file that `pghaspec sign --generate` or minisign made for whoever checks signatures";
        InputError::of_file(path, error.0, help)
    })
}

/// Verifies the certificate in the folder of a run; with a public key, whether it is signed with that.
///
/// # Errors
/// There is no certificate that this program can judge.
pub fn verify(folder: &Path, key: Option<&PublicKey>) -> Result<Verification, Failure> {
    Plan::is_in(folder)?;
    let contents = Contents::of(folder)?;
    let (text, claimed) = claimed(folder)?;
    is_ours(folder, &claimed)?;
    let recorded = RecordedRun::read(folder)?;
    let judged = recorded.plan.scenarios.iter().map(|planned| recorded.evaluate(&planned.id)).collect();
    let results = recorded.results(judged)?;
    let found = Certificate::of(&recorded, &contents, &results)?;
    // The evidence first: what else differs may come from there.
    let objections = objections(&recorded, &found.agent.claims, &contents)?;
    let mut said: Vec<String> = objections.iter().map(ToString::to_string).collect();
    let (one, other) = (as_value(&text), as_value(&found.text()));
    let differ = differences(&one, &other);
    if differ.is_empty() && text != found.text() {
        said.push(format!("{}: is not written as pghaspec writes it", certificate::FILE));
    }
    said.extend(differ.into_iter().map(|line| format!("{}: {line}", certificate::FILE)));
    said.extend(not_made_again(&recorded, &contents, &results)?);
    let (mut signed_by, mut unmet) = (None, Vec::new());
    let mut standing = Standing::SelfConsistent;
    match signed(&contents, &text, key) {
        Err(why) => said.push(format!("{SIGNATURE}: {why}")),
        Ok(Signed::Not) if key.is_some() => unmet.push("a signature is required, and it is not signed".to_owned()),
        Ok(Signed::Not) => {}
        Ok(Signed::By(by)) => {
            if key.is_some() {
                unmet.push("a signature with the key that you named is required, and it has another".to_owned());
            }
            signed_by = Some(by);
        }
        Ok(Signed::ByNamed(by)) => {
            standing = Standing::Signed;
            signed_by = Some(by);
        }
    }
    if !said.is_empty() {
        standing = Standing::Denied;
    }
    let Certificate { agent, held, verdict, as_expected, deviations, scenarios, .. } = found;
    Ok(Verification {
        standing,
        agent: agent.claims.name,
        version: agent.claims.version,
        manifest: agent.manifest,
        profile: held.profile,
        complete: held.complete,
        scenarios: scenarios.len(),
        passed: scenarios.iter().filter(|one| one.verdict == Verdict::Pass).count(),
        verdict,
        as_expected,
        known_deviations: deviations.known.len(),
        signed_by,
        objections: said,
        unmet,
    })
}

/// The certificate in a folder, and its text.
fn claimed(folder: &Path) -> Result<(String, Certificate), InputError> {
    let path = folder.join(certificate::FILE);
    if !path.is_file() {
        let problem = format!("has no {}", certificate::FILE);
        let help = "name the folder of a run; `pghaspec report` makes the certificate again from its evidence";
        return Err(InputError::of_file(folder, problem, help));
    }
    let bytes = file::read(&path, certificate::MOST_BYTES)
        .map_err(|error| InputError::of_file(&path, format!("cannot be read: {error}"), "name a readable folder"))?;
    let damaged = |problem: String| {
        InputError::of_file(&path, format!("is damaged: {problem}"), "ask whoever made it for the whole folder")
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is no UTF-8".to_owned()))?;
    let claimed = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()).at_line(error.line()))?;
    Ok((text, claimed))
}

/// Refuses what another pghaspec judged: its rules are not known here.
fn is_ours(folder: &Path, claimed: &Certificate) -> Result<(), Failure> {
    let suite = suite_sha256()?;
    let [their_form, our_form] = [claimed.certificate, certificate::FORM].map(|form| form.to_string());
    for (what, theirs, ours) in [
        ("the form of certificates", their_form.as_str(), our_form.as_str()),
        ("pghaspec", claimed.pghaspec.as_str(), env!("CARGO_PKG_VERSION")),
        ("the specification sha256", &claimed.specification.sha256, SPEC_SHA256),
        ("the suite sha256", &claimed.suite, &suite),
    ] {
        if theirs != ours {
            return Err(Failure::usage(format!(
                "{}: was judged by {what} {}, and this is {ours}; help: verify it with the pghaspec {} that made it \
                 (`pghaspec --version` tells these digests)",
                folder.join(certificate::FILE).display(),
                shown(theirs),
                shown(&claimed.pghaspec)
            )));
        }
    }
    Ok(())
}

/// The files that are made from the evidence, and differ from what is made of it now.
fn not_made_again(recorded: &RecordedRun, contents: &Contents, results: &Results) -> Result<Vec<String>, Failure> {
    let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
    for result in &results.scenarios {
        wanted.insert(format!("{}/{PICTURE}", result.id), drawn(&recorded.dir(&result.id), result));
    }
    for (name, text) in report::made(results, &recorded.folder)? {
        wanted.insert(name.to_owned(), Some(text));
    }
    debug_assert!(MADE.iter().all(|name| *name == certificate::FILE || wanted.contains_key(*name)));
    let mut said = Vec::new();
    for (file, text) in wanted {
        let there = contents.read(&file, MOST_BYTES).ok();
        let why = match (there, text) {
            (None, None) => continue,
            (None, Some(_)) => "is missing",
            (Some(_), None) => "is a picture of a history that there is not",
            (Some(there), Some(text)) if there == text.as_bytes() => continue,
            (Some(_), Some(_)) => "is not what the evidence gives; `pghaspec report` makes it again",
        };
        said.push(format!("{file}: {why}"));
    }
    Ok(said)
}

/// The signature of a certificate that may be one.
enum Signed {
    /// There is none.
    Not,
    /// By the key that was named.
    ByNamed(String),
    /// By a key of which nothing is known here.
    By(String),
}

/// Checks the signature: with the key that was named, and with the one that it names itself.
fn signed(contents: &Contents, certificate: &str, key: Option<&PublicKey>) -> Result<Signed, BadSignature> {
    if !contents.files.iter().any(|file| file == SIGNATURE) {
        return Ok(Signed::Not);
    }
    let bytes = contents.read(SIGNATURE, signature::MOST_BYTES);
    let bytes = bytes.map_err(|error| BadSignature(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| BadSignature("is no text".to_owned()))?;
    if let Some(key) = key
        && signature::check(certificate, &text, key).is_ok()
    {
        return Ok(Signed::ByNamed(key.to_base64()));
    }
    let itself = signature::check_itself(certificate, &text)?;
    Ok(Signed::By(itself.unwrap_or_else(|| "a key that it does not name".to_owned())))
}

fn unmet(args: &Args, document: &Verification) -> Vec<String> {
    let mut unmet = Vec::new();
    match args.require {
        Some(Required::Pass) if document.verdict.exit_code() != 0 || document.passed == 0 => {
            unmet.push(format!("a pass is required, and the verdict is {}", document.verdict.text()));
        }
        Some(Required::AsExpected) if !document.as_expected => {
            unmet.push("a run that is as expected is required, and it is not".to_owned());
        }
        _ => {}
    }
    if let Some(profile) = &args.require_profile
        && !(document.complete && document.profile.as_ref() == Some(profile))
    {
        unmet.push(format!("the whole profile {profile} is required, and {} was run", run_of(document)));
    }
    unmet
}

fn as_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn run_of(document: &Verification) -> String {
    match (&document.profile, document.complete) {
        (Some(profile), true) => format!("the profile {}", shown(profile)),
        (Some(profile), false) => format!("a part of the profile {}", shown(profile)),
        (None, _) => "a choice of scenarios".to_owned(),
    }
}

/// A line for each objection; of the many that one cause can have in one file, the first ones.
fn objections_in_words(objections: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let file = |line: &str| line.split(": ").next().unwrap_or_default().to_owned();
    for of_file in objections.chunk_by(|one, other| file(one) == file(other)) {
        let shown = of_file.iter().take(MOST_SHOWN);
        lines.extend(shown.map(|line| format!("  {}", line.replace('\n', "\\n"))));
        if let Some(more) = of_file.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
            lines.push(format!("  {}: and {more} more of the kind (all with --json)", file(&of_file[0])));
        }
    }
    lines
}

fn text(document: &Verification, with_key: bool) -> String {
    let mut lines = Vec::new();
    match document.standing {
        Standing::Denied => {
            lines.push("denied: this folder is not what it says".to_owned());
            lines.extend(objections_in_words(&document.objections));
        }
        Standing::SelfConsistent => {
            lines.push(
                "self-consistent: all that the certificate says comes from the evidence in the folder".to_owned(),
            );
        }
        Standing::Signed => {
            lines.push("signed: with the key that you named; all of it comes from the evidence".to_owned())
        }
    }
    let whose = match document.manifest {
        ManifestOf::Suite => "",
        ManifestOf::Own => ", by a manifest of its own",
    };
    let number = document.scenarios;
    // On one line, whatever they hold.
    let [agent, version] = [&document.agent, &document.version].map(|word| shown(word));
    lines.push(format!("agent: {agent} {version}{whose}"));
    lines.push(format!("run: {}, {number} scenario{}", run_of(document), if number == 1 { "" } else { "s" }));
    let verdict = match (document.verdict, document.as_expected, document.known_deviations) {
        (Verdict::Fail, true, known) => format!("fail, but only by {known} known deviations, as expected"),
        (verdict, true, _) => format!("{}, as expected", verdict.text()),
        (verdict, false, _) => format!("{}, not as expected", verdict.text()),
    };
    let of_what = if document.holds() { "verdict" } else { "verdict on what there is, which proves nothing" };
    lines.push(format!("{of_what}: {verdict}"));
    match (&document.signed_by, with_key) {
        _ if !document.holds() => {}
        (Some(key), true) if document.standing == Standing::Signed => lines.push(format!("signature: by {key}")),
        (Some(key), _) => lines.push(format!(
            "signature: by {key}, of whom nothing is known here; name the key that you trust with --public-key"
        )),
        (None, false) => {
            lines.push("signature: none; whoever sent the folder can have made all of it".to_owned());
        }
        (None, true) => {}
    }
    lines.extend(document.unmet.iter().map(|line| format!("not met: {line}")));
    lines.join("\n")
}
