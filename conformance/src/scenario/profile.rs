//! Profiles: parts of the suite that are worth a run of their own.

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name, as in scenarios and command lines.
    pub id: &'static str,
    /// Its purpose.
    pub describe: &'static str,
}

/// The default profile of a run.
pub const DEFAULT: &str = "core";

/// The profile of scenarios that are drawn.
pub const STRESS: &str = "stress";

/// The profile of all scenarios.
pub const ALL: &str = "all";

/// All of them.
pub const PROFILES: [Profile; 13] = [
    Profile { id: "smoke", describe: "the three commonest crashes, in a minute" },
    Profile { id: DEFAULT, describe: "every row of recover's decision tables, and both of its time limits" },
    Profile { id: "crashes", describe: "nodes, agents, backends and disks fail" },
    Profile { id: "interrupted", describe: "a second fault while Postgres is down, starts, or is recovered" },
    Profile { id: "rewind", describe: "data that diverged, and pg_rewind that succeeds, fails or is interrupted" },
    Profile { id: "standby-cluster", describe: "a cluster that follows a primary elsewhere" },
    Profile { id: "watchdog", describe: "watchdogs that are required, absent, or fire" },
    Profile { id: "dcs", describe: "the DCS is down, frozen, without quorum, or loses leases" },
    Profile { id: "partition", describe: "nodes that do not reach the DCS, or one another" },
    Profile { id: "sync", describe: "synchronous mode" },
    Profile { id: "orphans", describe: "backends that outlive their postmaster and go on committing" },
    Profile { id: STRESS, describe: "random walks of the model, by --seed; what fails is made smaller" },
    Profile { id: ALL, describe: "every scenario that is written down" },
];

/// The profile of that name.
pub fn find(id: &str) -> Option<Profile> {
    PROFILES.into_iter().find(|profile| profile.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn scenarios_are_in_known_profiles() {
        for scenario in Scenario::all().unwrap() {
            for profile in &scenario.profiles {
                assert!(
                    find(profile).is_some_and(|it| it.id != ALL && it.id != STRESS),
                    "{} is in {profile}",
                    scenario.id
                );
            }
        }
    }
}
