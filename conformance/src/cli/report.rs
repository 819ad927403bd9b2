//! `pghaspec report`: makes the results of recorded runs from their evidence, and puts shards together.

use std::path::PathBuf;

use super::{Failure, print};
use crate::certificate;
use crate::report;
use crate::report::evaluate::{RecordedRun, draw, merge};
use crate::run::error::RunDirError;

#[derive(clap::Args)]
pub struct Args {
    /// Folders of runs: of one, or of the parts of one that was split with --shard.
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Folder for results.json, junit.xml and report.html; the run's own if there is one run.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let runs = args.runs.iter().map(|folder| RecordedRun::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [only]) => only.clone(),
        _ => {
            let problem = "several runs are put together in a folder of their own; help: name it with --out";
            return Err(Failure::usage(problem));
        }
    };
    let mut scenarios = Vec::new();
    for (run, folder) in runs.iter().zip(&args.runs) {
        if let Some(mismatch) = runs[0].plan.mismatch(&run.plan) {
            return Err(Failure::usage(format!(
                "{} does not belong to {}: {mismatch}",
                folder.display(),
                args.runs[0].display()
            )));
        }
        for planned in &run.plan.scenarios {
            if scenarios.iter().any(|known: &report::ScenarioResult| known.id == planned.id) {
                let problem = format!("the scenario `{}` is in more than one of the runs", planned.id);
                return Err(Failure::usage(format!("{problem}; help: leave one of them out: {}", folder.display())));
            }
            let result = run.evaluate(&planned.id);
            draw(&run.dir(&planned.id), &result)?;
            scenarios.push(result);
        }
    }
    let results = merge(&runs.iter().collect::<Vec<_>>(), scenarios)?;
    std::fs::create_dir_all(&out).map_err(|error| RunDirError::new(format!("making {}", out.display()), error))?;
    report::write(&results, &out)?;
    if let [run] = &runs[..]
        && args.out.as_ref().is_none_or(|out| *out == run.folder)
        && run.claims.is_some()
    {
        certificate::write(run, &results)?;
    }
    print(args.json, &results, || report::text::results(&results, &out, &args.runs))?;
    Ok(results.exit_code())
}
