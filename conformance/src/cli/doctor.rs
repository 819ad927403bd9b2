//! `pghaspec doctor`: says what this machine has and lacks, and the remedies.

use serde::Serialize;

use super::{Failure, bounds, print};
use crate::fixtures;
use crate::lab;
use crate::manifest::Manifest;
use crate::patroni_oracle::environment;

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Finding {
    id: &'static str,
    ok: bool,
    found: String,
    mend: Option<String>,
}

fn finding(id: &'static str, found: Result<String, (String, String)>) -> Finding {
    match found {
        Ok(found) => Finding { id, ok: true, found, mend: None },
        Err((found, mend)) => Finding { id, ok: false, found, mend: Some(mend) },
    }
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::environment(format!("no async runtime: {error}")))?;
    let mut findings = vec![finding("fixtures", fixtures_found())];
    let docker = runtime.block_on(lab::docker_version());
    let has_docker = docker.is_ok();
    findings.push(finding("docker", docker.map_err(|error| parts(&error))));
    if has_docker {
        for image in lab::needed_images(&Manifest::all().unwrap_or_default()) {
            let found = runtime.block_on(lab::has_image(&image));
            findings
                .push(finding("image", found.map(|digest| format!("{image} {digest}")).map_err(|error| parts(&error))));
        }
    }
    findings.push(finding("memory", memory()));
    findings.push(finding("python", python()));
    let ok = findings.iter().all(|finding| finding.ok);
    print(args.json, &findings, || {
        let lines = findings.iter().map(|finding| {
            let mend = finding.mend.as_ref().map_or(String::new(), |mend| format!("\n           help: {mend}"));
            format!("{:<4} {:<9} {}{mend}\n", if finding.ok { "ok" } else { "LACK" }, finding.id, finding.found)
        });
        lines.collect()
    })?;
    Ok(if ok { 0 } else { 3 })
}

fn parts(error: &lab::LabError) -> (String, String) {
    (error.message.clone(), error.help.clone().unwrap_or_else(|| "see the message".into()))
}

fn fixtures_found() -> Result<String, (String, String)> {
    let root = fixtures::root();
    if fixtures::scenarios().is_dir() && fixtures::agents().is_dir() {
        return Ok(root.display().to_string());
    }
    Err((
        format!("{} holds no scenarios and agents", root.display()),
        format!("set {} to the fixtures folder of the source tree", fixtures::FIXTURES_VARIABLE),
    ))
}

/// The Python with which `pghaspec diff` runs released functions.
fn python() -> Result<String, (String, String)> {
    match environment::python() {
        Ok((python, (major, minor))) => Ok(format!("{} is Python {major}.{minor}", python.display())),
        Err(error) => Err((error.message, "only `pghaspec diff` needs it".into())),
    }
}

/// The memory that is available: a lane of three nodes needs about a gigabyte.
fn memory() -> Result<String, (String, String)> {
    const NEEDED_MIB: u64 = 1 << 10;
    match bounds::memory("MemAvailable:") {
        Some(mib) if mib < NEEDED_MIB => Err((
            format!("{mib} MiB available"),
            "a lane of three nodes needs about 1 GiB: end other programs, or run with --jobs 1".into(),
        )),
        Some(mib) => Ok(format!("{mib} MiB available")),
        None => Ok("not known on this system".into()),
    }
}
