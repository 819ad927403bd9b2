//! Objections about the agent: who it is, which image it had, and which deviations are known of it.
//!
//! Of an agent of the suite all of that is known beforehand. Of any other its maker's word stands, and the certificate
//! says so.

use super::{Found, Recorded};
use crate::certificate::document::ManifestOf;
use crate::certificate::make::manifest_of;
use crate::digest::sha256;
use crate::input;
use crate::input::InputError;
use crate::known::deviations;
use crate::manifest;
use crate::report::evaluate::RecordedRun;
use crate::rules;
use crate::run::claims::{Claims, FILE};
use crate::run::records::ImageRecord;

pub(super) fn look(
    run: &RecordedRun,
    claims: &Claims,
    scenarios: &[Recorded<'_>],
    found: &mut Found,
) -> Result<(), InputError> {
    let plan = &run.plan;
    if (&claims.name, &claims.version) != (&plan.agent, &plan.version) {
        let (name, version) = (&claims.name, &claims.version);
        found.add(FILE, format!("is about {name} {version}, and the plan about {} {}", plan.agent, plan.version));
    }
    // Another edition than the manifest's is the user's choice, and then it is held to all of its rules.
    let own = (&claims.edition, &claims.rules) == (&plan.spec.edition, &plan.spec.rules);
    let known = plan.spec.edition().is_ok_and(|edition| rules::of(edition, &plan.spec.rules).is_ok());
    if !known || !(own || plan.spec.rules.is_empty()) {
        found.add("plan.json", "holds the agent to rules that are neither its own nor those of an edition");
    }
    of_suite(run, claims, found)?;
    image(run, claims, scenarios, found)
}

/// Holds an agent that has the name of one of the suite's to that one.
fn of_suite(run: &RecordedRun, claims: &Claims, found: &mut Found) -> Result<(), InputError> {
    if manifest::trouble(&claims.name).is_some() {
        return Ok(());
    }
    if manifest_of(claims) == ManifestOf::Own {
        let why = format!(
            "calls itself {} {}, and neither that manifest of the suite nor its files are the same; whoever changes \
             them gives the agent another name",
            claims.name, claims.version
        );
        found.add(FILE, why);
    }
    let kept = run.folder.join(deviations::FILE);
    let suite = manifest::folder(&claims.name)?.join(deviations::FILE);
    let text = |file: &std::path::Path| match file.is_file() {
        true => input::read(file).map(|text| Some(sha256(text))),
        false => Ok(None),
    };
    if text(&kept)? != text(&suite)? {
        found.add(deviations::FILE, format!("is not the list that the suite has for {}", claims.name));
    }
    Ok(())
}

/// Holds what was run to one image.
fn image(run: &RecordedRun, claims: &Claims, scenarios: &[Recorded<'_>], found: &mut Found) -> Result<(), InputError> {
    let image = ImageRecord::read(&run.folder)?;
    if let Some(image) = image.as_ref().filter(|image| image.reference != claims.image) {
        found.add("image.json", format!("is about {}, and the manifest names {}", image.reference, claims.image));
    }
    for one in scenarios.iter().filter(|one| one.is_whole()) {
        let digest = one.outcome.as_ref().and_then(|outcome| outcome.image_digest.as_deref());
        match (digest, &image) {
            (Some(digest), Some(image)) if digest == image.digest => {}
            (_, None) => found.add("image.json", "is missing, though scenarios were run"),
            (digest, Some(image)) => {
                let (digest, one_image) = (digest.unwrap_or("none"), &image.digest);
                found.add(one.file("outcome.json"), format!("names the image {digest}, and the run had {one_image}"));
            }
        }
    }
    Ok(())
}
