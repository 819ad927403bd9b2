//! `pghaspec list`

use pghaspec_model::mutants::Mutant;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::property::Property;
use serde::Serialize;

use super::{Failure, print};
use crate::features::FEATURES;
use crate::history::describe;
use crate::judge::checks::{self, Definition};
use crate::manifest::Manifest;
use crate::scenario::Scenario;
use crate::scenario::profile::PROFILES;

#[derive(clap::Args)]
pub struct Args {
    /// The kind of things to list.
    #[arg(value_enum)]
    what: What,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Scenarios that can be run against an agent.
    Scenarios,
    /// Parts of the suite.
    Profiles,
    /// The checks of the judge: what each says, what it needs, and to whom it applies.
    Checks,
    /// Properties that every agent is held to.
    Properties,
    /// Faults that can happen to a cluster.
    Faults,
    /// Configurations, faults and budgets under which properties are checked.
    Assumptions,
    /// Features of agents that scenarios ask for.
    Features,
    /// Sets of rules.
    Editions,
    /// Rows of the decision table of `recover()`.
    Branches,
    /// Rules broken on purpose.
    Mutants,
    /// Those of them that break no safety property, by which the judge names a broken rule.
    Deviants,
    /// Agents that can be certified.
    Agents,
}

#[derive(Serialize)]
struct Item {
    id: String,
    text: String,
}

fn item(id: impl Into<String>, text: impl Into<String>) -> Item {
    Item { id: id.into(), text: text.into() }
}

/// A check, as `list checks --json` prints it.
#[derive(Serialize)]
struct CheckItem {
    id: &'static str,
    text: &'static str,
    /// The observers by whose events it judges.
    needs: Vec<&'static str>,
    /// The agents that it can judge.
    agents: String,
    /// The runs that it applies to.
    applies: String,
    /// The cases in which it is inconclusive, missing observers and gaps aside.
    inconclusive: &'static str,
}

impl From<&Definition> for CheckItem {
    fn from(check: &Definition) -> CheckItem {
        CheckItem {
            id: check.id(),
            text: check.says(),
            needs: check.needs.iter().map(|source| describe::source(*source)).collect(),
            agents: check.agents.text(),
            applies: check.applies.text(),
            inconclusive: check.inconclusive,
        }
    }
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    if let (What::Checks, true) = (args.what, args.json) {
        let checks: Vec<CheckItem> = checks::ALL.into_iter().map(CheckItem::from).collect();
        print(true, &checks, String::new)?;
        return Ok(0);
    }
    let items: Vec<Item> = match args.what {
        What::Scenarios => Scenario::all()?
            .into_iter()
            .map(|scenario| item(&scenario.id, format!("{} [{}]", scenario.title, scenario.profiles.join(", "))))
            .collect(),
        What::Profiles => PROFILES.iter().map(|profile| item(profile.id, profile.describe)).collect(),
        What::Checks => checks::ALL.iter().map(|check| item(check.id(), check.says())).collect(),
        What::Properties => Property::ALL.iter().map(|property| item(property.id(), property.describe())).collect(),
        What::Faults => Fault::ALL.iter().map(|fault| item(fault.id(), fault.describe())).collect(),
        What::Features => FEATURES.iter().map(|feature| item(feature.id, feature.describe)).collect(),
        What::Editions => Edition::ALL.iter().map(|edition| item(edition.id(), edition.describe())).collect(),
        What::Branches => Branch::ALL
            .iter()
            .map(|branch| {
                item(branch.id(), format!("row {}: {}", branch.row(), branch.message(Edition::V4_1.rules().words)))
            })
            .collect(),
        What::Assumptions => {
            Assumption::ALL.iter().map(|assumption| item(assumption.id(), assumption.describe())).collect()
        }
        What::Mutants => Mutant::ALL.iter().map(|mutant| item(mutant.id(), mutant.rule())).collect(),
        What::Deviants => Mutant::DEVIANT.iter().map(|mutant| item(mutant.id(), mutant.rule())).collect(),
        What::Agents => Manifest::all()?
            .into_iter()
            .map(|agent| {
                let edition = agent.edition.map_or("no edition".to_owned(), |edition| format!("edition {edition}"));
                let text = format!("release {}, claims {edition}, image {}", agent.version, agent.image);
                item(agent.name, text)
            })
            .collect(),
    };
    let width = items.iter().map(|item| item.id.len()).max().unwrap_or(0);
    print(args.json, &items, || items.iter().map(|item| format!("{:width$}  {}\n", item.id, item.text)).collect())?;
    Ok(0)
}
