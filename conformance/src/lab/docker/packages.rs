//! The packages in an agent's image, by which a certificate says what was really run.
//!
//! A container of the image lists them, with the limits of its nodes and without a network or rights. What it prints is
//! the image's word.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, LogsOptionsBuilder};
use futures_util::StreamExt;

use super::container::powerless;
use super::sandbox::Sandbox;
use super::{asked, failed};
use crate::lab::error::LabError;
use crate::lab::wait::interrupted;
use crate::manifest::Limits;
use crate::run::folder::RunDir;
use crate::run::records::Package;
use crate::untrusted::escape;

/// The part of the container in its sandbox, and the name of that.
const PART: &str = "packages";

const DOING: &str = "listing the packages of the agent's image";

/// The time that the listing may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Most bytes that it may print.
const PRINTED: usize = 1 << 20;

/// MiB that Docker keeps of it: JSON makes six bytes of a control character, and adds some to each line.
const STORED_MIB: u32 = 16;

/// Most packages that are kept.
const MOST: usize = 5_000;

/// Most characters of a name, and of a version.
const LONGEST: usize = 200;

/// Most characters of a reason.
const REASON: usize = 300;

/// The last line of a listing that was not cut short.
const END: &str = "end";

/// What begins the line about a tool that failed.
const FAILED: &str = "failed\t";

/// Prints a line for each package: its kind, its name and its version, with tabulators between them. What a package
/// manager says of an image that has several is the first one's: the others are there for somebody else's packages.
const SCRIPT: &str = r#"
LC_ALL=C
export LC_ALL
t=$(printf '\t')
if command -v dpkg-query >/dev/null 2>&1; then
    {
        dpkg-query -W -f '${db:Status-Status} dpkg\t${binary:Package}\t${Version}\n' || echo "installed failed${t}dpkg"
    } 2>/dev/null | sed -n 's/^installed //p'
elif command -v rpm >/dev/null 2>&1; then
    rpm -qa --qf 'rpm\t%{NAME}\t%{EVR}\n' 2>/dev/null || echo "failed${t}rpm"
elif command -v apk >/dev/null 2>&1; then
    { apk info -v || echo "failed-0-r0"; } 2>/dev/null |
        sed -n "s/^failed-0-r0\$/failed${t}apk/p; s/^\(.*\)-\([^-]*-r[0-9]*\)\$/apk${t}\1${t}\2/p"
fi
command -v find >/dev/null 2>&1 || echo "failed${t}find"
find / -xdev -maxdepth 9 -type d -name '*.dist-info' 2>/dev/null |
    sed -n "s/^.*\/\([^/]*\)-\([^-/]*\)\.dist-info\$/python${t}\1${t}\2/p"
echo end
"#;

/// The packages of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The packages, sorted, each once.
    pub packages: Vec<Package>,
    /// The reason why they are not known, or not all of them.
    pub unknown: Option<String>,
}

impl Listing {
    /// No package is known, for that reason.
    fn unknown(why: &str) -> Listing {
        let why = if why.contains("executable file not found") { "there is no sh in the image" } else { why };
        let why = escape::terminal(&why.chars().take(REASON).collect::<String>());
        Listing { packages: Vec::new(), unknown: Some(why) }
    }
}

/// Lists the packages of the image with that digest. Whatever goes wrong is said in the listing.
///
/// # Errors
/// The run is ended by a signal.
pub async fn packages(docker: &Docker, digest: &str, limits: Limits, run: &RunDir) -> Result<Listing, LabError> {
    let sandbox = Sandbox::new(docker.clone(), run, PART, run.path());
    let listed = tokio::select! {
        biased;
        error = interrupted() => Err(error),
        listed = tokio::time::timeout(LIMIT, printed(&sandbox, digest, limits)) => Ok(match listed {
            Ok(Ok(printed)) => parse(&String::from_utf8_lossy(&printed)),
            Ok(Err(error)) => Listing::unknown(&error.message),
            Err(_) => Listing::unknown(&format!("the listing does not end within {} s", LIMIT.as_secs())),
        }),
    };
    // What Docker does not give up now is removed by the next sweep.
    let _ = sandbox.remove().await;
    listed
}

/// What the script prints in a container of that image.
async fn printed(sandbox: &Sandbox, digest: &str, limits: Limits) -> Result<Vec<u8>, LabError> {
    let (docker, name) = (&sandbox.docker, sandbox.name(PART));
    let body = ContainerCreateBody {
        image: Some(digest.to_owned()),
        entrypoint: Some(["sh", "-c", SCRIPT].map(str::to_owned).into()),
        working_dir: Some("/".to_owned()),
        labels: Some(sandbox.labels().clone().into_iter().collect()),
        host_config: Some(powerless(limits, STORED_MIB)),
        ..ContainerCreateBody::default()
    };
    let (engine, container) = (docker.clone(), name.clone());
    let started = async move {
        let options = CreateContainerOptionsBuilder::new().name(&container).build();
        asked(DOING, engine.create_container(Some(options), body)).await?;
        asked(DOING, engine.start_container(&container, None)).await
    };
    sandbox.to_its_end(started).await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).build();
    // The stream ends when the container does.
    let mut stream = docker.logs(&name, Some(options));
    let mut printed = Vec::new();
    while let Some(frame) = stream.next().await {
        printed.extend_from_slice(frame.map_err(failed(DOING))?.as_ref());
        if printed.len() > PRINTED {
            return Err(LabError::harness(format!("the listing has more than {} MiB", PRINTED >> 20)));
        }
    }
    Ok(printed)
}

/// The packages that were printed. A line that names none is left out, and so is what is too much; both are said.
fn parse(printed: &str) -> Listing {
    let Some(lines) = printed.trim_end().strip_suffix(END).filter(|lines| lines.is_empty() || lines.ends_with('\n'))
    else {
        return Listing::unknown("the listing was cut short");
    };
    if let Some(tool) = lines.lines().find_map(|line| line.strip_prefix(FAILED)) {
        return Listing::unknown(&format!("{tool} failed in the image"));
    }
    let (mut packages, mut strange) = (BTreeSet::new(), 0);
    for line in lines.lines() {
        match package(line) {
            Some(package) => drop(packages.insert(package)),
            None => strange += 1,
        }
    }
    let more = packages.len().saturating_sub(MOST);
    let unknown = match (more, strange) {
        (0, 0) => None,
        (0, strange) => Some(format!("{strange} lines of the listing name no package")),
        (more, _) => Some(format!("{more} packages are left out: it lists more than {MOST}")),
    };
    Listing { packages: packages.into_iter().take(MOST).collect(), unknown }
}

/// The package that a line names, if it is one of the script's.
fn package(line: &str) -> Option<Package> {
    let [from, name, version] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let plain = |word: &str| {
        (1..=LONGEST).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<')
    };
    let known = ["dpkg", "rpm", "apk", "python"].contains(&from) && plain(name) && plain(version);
    known.then(|| Package { from: from.to_owned(), name: name.to_owned(), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_and_nothing_else() {
        let sound = "dpkg\tpostgresql-17\t17.6-0+deb13u1\npython\tpatroni\t4.1.5\npython\tpatroni\t4.1.5\n\
                     dpkg\tlibc6:amd64\t2.41-12\nrpm\tbash\t1:5.2-1.el9\napk\tmusl\t1.2.5-r9\n";
        let listing = parse(&format!("{sound}end\n"));
        let names: Vec<&str> = listing.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["musl", "libc6:amd64", "postgresql-17", "patroni", "bash"]);
        assert_eq!(listing.unknown, None);
        let long = format!("dpkg\t{}\t1\n", "x".repeat(LONGEST + 1));
        let strange =
            ["python\t<b>\t1\n", "other\ta\t1\n", "dpkg\ta\n", "dpkg\ta\t1\tb\n", "dpkg\t\u{1b}[2J\t1\n", "a\n", &long];
        for line in strange {
            let found = parse(&format!("{sound}{line}end\n"));
            assert_eq!(found.packages, listing.packages, "{line}");
            assert_eq!(found.unknown.as_deref(), Some("1 lines of the listing name no package"), "{line}");
        }
    }

    #[test]
    fn a_listing_that_is_not_whole_is_unknown() {
        let unknown = |printed: &str| {
            let Listing { packages, unknown } = parse(printed);
            assert!(packages.is_empty(), "{printed}");
            unknown.unwrap()
        };
        for cut in ["", "dpkg\ta\t1\n", "dpkg\ta\t1\ndpkg\tb\t1.end", "dpkg\ta\t1\nend\ndpkg\tb\t1\n"] {
            assert_eq!(unknown(cut), "the listing was cut short", "{cut}");
        }
        assert_eq!(unknown("failed\tdpkg\npython\ta\t1\nend\n"), "dpkg failed in the image");
        // The tool's name is the image's word, too.
        let told = unknown(&format!("failed\t\u{1b}[2J{}\nend\n", "x".repeat(10_000)));
        assert!(!told.contains('\u{1b}') && told.len() < 2 * REASON, "{told}");
        assert_eq!(parse("end\n"), Listing::default());
    }

    #[test]
    fn an_endless_listing_is_cut_and_says_so() {
        let many: String = (0..MOST + 10).map(|number| format!("dpkg\tp{number}\t1\n")).collect();
        let listing = parse(&format!("{many}end\n"));
        assert_eq!(listing.packages.len(), MOST);
        assert!(listing.unknown.unwrap().starts_with("10 packages are left out"));
    }

    #[test]
    fn an_image_without_a_shell_is_told_as_that() {
        let words = "listing: Docker responded with status code 400: exec: \"sh\": executable file not found in $PATH";
        assert_eq!(Listing::unknown(words).unknown.unwrap(), "there is no sh in the image");
    }
}
