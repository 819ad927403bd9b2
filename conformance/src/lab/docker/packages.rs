//! The packages in an agent's image, by which a certificate says what was really run.
//!
//! A container of the image lists them: with no network, no rights and the limits of its nodes. What it prints is the
//! image's word.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::Docker;

use super::container::{ContainerPlan, Place};
use super::exec;
use super::sandbox::Sandbox;
use crate::lab::error::LabError;
use crate::manifest::Manifest;
use crate::run::folder::RunDir;
use crate::run::records::Package;

/// The part of the container in its sandbox.
const PART: &str = "packages";

/// The time that the listing may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Most packages that are kept.
const MOST: usize = 5_000;

/// Most characters of a name, and of a version.
const LONGEST: usize = 200;

/// Prints a line for each package: its kind, its name and its version, with tabulators between them.
const SCRIPT: &str = r#"
dpkg-query -W -f 'dpkg\t${Package}\t${Version}\n' 2>/dev/null
rpm -qa --qf 'rpm\t%{NAME}\t%{VERSION}-%{RELEASE}\n' 2>/dev/null
apk info -v 2>/dev/null | sed 's/^\(.*\)-\([^-]*-r[0-9]*\)$/apk\t\1\t\2/'
find / -xdev -maxdepth 9 -type d -name '*.dist-info' 2>/dev/null |
    sed -n 's/^.*\/\([^/]*\)-\([^-/]*\)\.dist-info$/python\t\1\t\2/p'
true
"#;

/// Lists the packages of an agent's image; the error is the reason why they are not known, in words.
pub async fn packages(docker: &Docker, manifest: &Manifest, run: &RunDir) -> Result<Vec<Package>, String> {
    let sandbox = Sandbox::new(docker.clone(), run, PART, run.path());
    let listed = tokio::time::timeout(LIMIT, listing(docker, &sandbox, manifest)).await;
    // What is not removed here is by the next sweep.
    let removed = sandbox.remove().await;
    let listed = match listed {
        Ok(listed) => listed.map_err(|error| error.message)?,
        Err(_) => return Err(format!("the listing does not end within {} s", LIMIT.as_secs())),
    };
    removed.map_err(|error| error.message)?;
    Ok(parse(&listed))
}

async fn listing(docker: &Docker, sandbox: &Sandbox, manifest: &Manifest) -> Result<String, LabError> {
    let plan = ContainerPlan {
        entrypoint: Some("sleep"),
        command: vec![(2 * LIMIT.as_secs()).to_string()],
        limits: manifest.limits,
        ..ContainerPlan::of(PART, &manifest.image, Place::Nowhere)
    };
    let container = sandbox.start(plan).await?;
    Ok(exec(docker, &container, &["sh", "-c", SCRIPT]).await?.stdout)
}

/// The packages that were printed, each once. What is no line of the script's is left out.
fn parse(printed: &str) -> Vec<Package> {
    let plain = |word: &str| {
        (1..=LONGEST).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<')
    };
    let package = |line: &str| {
        let [from, name, version] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        let known = ["dpkg", "rpm", "apk", "python"].contains(&from) && plain(name) && plain(version);
        known.then(|| Package { from: from.to_owned(), name: name.to_owned(), version: version.to_owned() })
    };
    let packages: BTreeSet<Package> = printed.lines().filter_map(package).collect();
    packages.into_iter().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_and_nothing_else() {
        let printed = "dpkg\tpostgresql-17\t17.6-0+deb13u1\npython\tpatroni\t4.1.5\npython\tpatroni\t4.1.5\n\
                       python\t<b>\t1\nother\ta\t1\ndpkg\ta\ndpkg\t\u{1b}[2J\t1\nnonsense\n";
        let found = parse(printed);
        let names: Vec<&str> = found.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["postgresql-17", "patroni"]);
        let many: String = (0..MOST + 10).map(|number| format!("dpkg\tp{number}\t1\n")).collect();
        assert_eq!(parse(&many).len(), MOST);
        assert!(parse(&format!("dpkg\t{}\t1\n", "x".repeat(LONGEST + 1))).is_empty());
    }
}
