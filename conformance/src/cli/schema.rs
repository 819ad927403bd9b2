//! `pghaspec schema`

use schemars::JsonSchema;
use serde_json::Value;

use super::{Failure, print};
use crate::input;
use crate::known::{deviations, failed_by};
use crate::manifest;
use crate::scenario;

#[derive(clap::Args)]
pub struct Args {
    /// The kind of file.
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Of {
    /// `agent.toml`, the manifest of an agent.
    Agent,
    /// A scenario, `fixtures/scenarios/<id>.toml`.
    Scenario,
    /// `deviations.toml`, the known deviations of an agent.
    Deviations,
    /// `fixtures/failed_by.toml`, the agents that fail the scenarios.
    FailedBy,
}

/// All schemas, by the names of their files in `conformance/schemas/`.
pub fn all() -> [(&'static str, Value); 4] {
    fn of<T: JsonSchema>() -> Value {
        input::schema::<T>()
    }
    [
        ("agent.json", of::<manifest::Toml>()),
        ("scenario.json", of::<scenario::Written>()),
        ("deviations.json", of::<deviations::Toml>()),
        ("failed-by.json", of::<failed_by::Toml>()),
    ]
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let [agent, scenario, deviations, failed_by] = all().map(|(_, schema)| schema);
    let schema = match args.of {
        Of::Agent => agent,
        Of::Scenario => scenario,
        Of::Deviations => deviations,
        Of::FailedBy => failed_by,
    };
    print(true, &schema, String::new)?;
    Ok(0)
}
