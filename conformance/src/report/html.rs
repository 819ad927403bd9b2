//! `report.html`, the results as one page that needs nothing else to be read. The evidence beside it is linked.

use std::path::{Path, PathBuf};

use super::{Results, ScenarioResult, coverage};
use crate::judge::Verdict;
use crate::run::contents::PICTURE;
use crate::untrusted::escape::markup;
use crate::untrusted::file;

/// Most bytes of a picture.
const MOST_PICTURE: u64 = 64 << 20;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em }
body { color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .2em .8em .2em 0 }
pre { white-space: pre-wrap; margin: 0; font: 13px/1.4 ui-monospace, monospace }
details { border-top: 1px solid #ddd; padding: .4em 0 } summary { cursor: pointer }
.v { display: inline-block; min-width: 7em; font-weight: 600 }
.digest { font: 12px ui-monospace, monospace; color: #666 }
.pass { color: #187a32 } .fail, .error { color: #b3181d } .inconclusive { color: #9a5b00 }
.unsupported, .skipped, .known { color: #666 }
.matrix td, .matrix th { padding: .1em .5em; border: 1px solid #ddd; font-size: 13px }
.matrix td.x { background: #cfead6 }
@media (prefers-color-scheme: dark) {
body { color: #ddd; background: #161616 } .matrix td.x { background: #23502f }
}
";

pub(super) fn page(results: &Results, folder: &Path) -> String {
    let Results { agent, spec, deviations, .. } = results;
    let name = format!("{} {}", markup(&agent.name), markup(&agent.version));
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pghaspec: {name}</title>\n\
        <style>{STYLE}</style></head>\n<body>\n\
        <h1>{name}: {}</h1>\n<table>\n",
        verdict(results.verdict)
    );
    let expected = if results.as_expected { "yes" } else { "no" };
    for (what, value) in [
        ("as expected", expected.to_owned()),
        ("edition", markup(spec.edition_text())),
        ("profile", markup(results.profile.as_deref().unwrap_or("scenarios by name"))),
        (
            "image",
            format!("<span class=\"digest\">{}</span>", markup(agent.image_digest.as_deref().unwrap_or("unknown"))),
        ),
        ("specification", format!("<span class=\"digest\">sha256:{}</span>", markup(&spec.sha256))),
        ("pghaspec", markup(&results.pghaspec)),
    ] {
        text += &format!("<tr><th>{what}</th><td>{value}</td></tr>\n");
    }
    text += "</table>\n";
    if !(deviations.known.is_empty() && deviations.unknown.is_empty() && deviations.gone.is_empty()) {
        text += "<h2>Deviations</h2>\n<table>\n";
        for (class, standing, known) in deviations
            .known
            .iter()
            .map(|known| ("known", "known", known))
            .chain(deviations.gone.iter().map(|gone| ("fail", "gone", gone)))
        {
            text += &format!(
                "<tr><td class=\"{class}\">{standing}</td><td>{}</td><td>{}</td><td>{} <a href=\"{}\">link</a></td>\
                 </tr>\n",
                markup(&known.scenario),
                markup(&known.check),
                markup(&known.reason),
                markup(&known.link)
            );
        }
        for unknown in &deviations.unknown {
            text += &format!(
                "<tr><td class=\"fail\">unknown</td><td>{}</td><td>{}</td><td></td></tr>\n",
                markup(&unknown.scenario),
                markup(&unknown.check)
            );
        }
        text += "</table>\n";
    }
    text += "<h2>Scenarios</h2>\n";
    for scenario in &results.scenarios {
        text += &of_scenario(results, scenario, folder);
    }
    text += "<h2>What was covered</h2>\n";
    text += &coverage::html(&results.scenarios);
    text += "<h2>Evidence</h2>\n<details><summary>SHA-256 of all files</summary><table>\n";
    for (file, digest) in &results.evidence.sha256 {
        text +=
            &format!("<tr><td>{}</td><td class=\"digest\">{}</td></tr>\n", link(results, folder, file), markup(digest));
    }
    text + "</table></details>\n</body></html>\n"
}

/// The path from a page in a folder to a file of the evidence; `None` for one that is not there any more.
fn located(results: &Results, folder: &Path, path: &str) -> Option<PathBuf> {
    let within = |(own, place): &(String, PathBuf)| {
        Some(place.join(path.strip_prefix(own.as_str())?.strip_prefix('/')?)).filter(|file| file.is_file())
    };
    let file = results.evidence.folders.values().find_map(within)?;
    relative(&folder.canonicalize().ok()?, &file.canonicalize().ok()?)
}

/// The path that leads from a folder to a file, both without links.
fn relative(folder: &Path, file: &Path) -> Option<PathBuf> {
    let up = folder.ancestors().position(|above| file.starts_with(above))?;
    let below = file.strip_prefix(folder.ancestors().nth(up)?).ok()?;
    Some(std::iter::repeat_n(Path::new(".."), up).collect::<PathBuf>().join(below))
}

fn link(results: &Results, folder: &Path, path: &str) -> String {
    match located(results, folder, path) {
        Some(place) => format!("<a href=\"{}\">{}</a>", markup(&place.display().to_string()), markup(path)),
        None => markup(path),
    }
}

fn verdict(verdict: Verdict) -> String {
    format!("<span class=\"{0}\">{0}</span>", verdict.text())
}

fn of_scenario(results: &Results, scenario: &ScenarioResult, folder: &Path) -> String {
    let id = markup(&scenario.id);
    // A pass needs no look.
    let open = if matches!(scenario.verdict, Verdict::Pass | Verdict::Unsupported) { "" } else { " open" };
    let mut text = format!(
        "<details id=\"{id}\"{open}><summary><span class=\"v {0}\">{0}</span> {id} <small>({1:.1} s)</small>\
         </summary>\n\
         <p>{2}</p>\n<table>\n",
        scenario.verdict.text(),
        scenario.seconds,
        markup(&scenario.title)
    );
    for check in &scenario.checks {
        let known = results.deviations.known(&scenario.id, &check.id).map_or("", |_| " (known)");
        text += &format!(
            "<tr><td class=\"{0}\">{0}{known}</td><td>{1}</td><td><pre>{2}</pre></td></tr>\n",
            check.verdict.text(),
            markup(&check.id),
            markup(&check.why)
        );
    }
    text += "</table>\n";
    let links: Vec<_> = results.evidence.of(&scenario.id).map(|path| link(results, folder, path)).collect();
    if !links.is_empty() {
        text += &format!("<p>evidence: {}</p>\n", links.join(", "));
    }
    // A picture of the run is part of the page. It was drawn just now; no other file of its name is taken for it.
    let place = results.evidence.folders.get(&scenario.id).map(|(_, place)| place.join(PICTURE));
    let drawn = place.and_then(|file| file::read(&file, MOST_PICTURE).ok());
    if let Some(svg) = drawn.and_then(|bytes| String::from_utf8(bytes).ok()) {
        text += &format!("<figure>{}</figure>\n", svg.find("<svg").map_or("", |start| &svg[start..]));
    }
    text + "</details>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_from_the_page_to_the_evidence() {
        let path = |folder: &str, file: &str| relative(Path::new(folder), Path::new(file));
        assert_eq!(path("/a/run", "/a/run/one/x.log"), Some("one/x.log".into()));
        assert_eq!(path("/a/whole", "/a/part1/one/x.log"), Some("../part1/one/x.log".into()));
        assert_eq!(path("/b/c", "/a/x.log"), Some("../../a/x.log".into()));
    }
}
