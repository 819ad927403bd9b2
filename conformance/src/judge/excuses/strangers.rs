//! Strangers: deaths and shortages that no fault of the scenario caused, as far as they excuse failures.
//!
//! A kernel that is out of memory, or a stranger's `kill -9`, hits processes as faults do, and nobody declared it. Who
//! sent a signal nobody tells; [`deaths`](crate::judge::facts::deaths) says by exclusion which deaths are such. An
//! agent must do right after them as after faults, so nothing is excused but what hangs on what the scenario declared:
//!
//! * `observers-alive` is inconclusive, and names who died of what: the run took another course than the scenario's. It
//!   stays a pass only where the node's agent could have done it and had a reason to, as one has that fences its own
//!   primary with SIGKILL. So an agent that kills its Postgres and says nothing is at best inconclusive.
//! * Demands of the scenario that fail after such a death are inconclusive: they are demands on its own course. What
//!   came of it before the death, or died when rows were read back, is not.
//! * The model is told of the death as of the fault that it equals, so it refuses only what is wrong after that fault,
//!   too. A death that may be the agent's own is no fault to it; if it refuses what came after, that is inconclusive.
//! * What must come at last has its time from the last such death on; and it may never come while an agent that died so
//!   is not started again: then the faults are not over.
//! * Who died leaves something behind that writes: a dead agent its primary, where no watchdog resets the node, a dead
//!   postmaster its backends. Two leaders and lost writes are excused while that may write, and at no other node's
//!   doing after it.
//! * A second crash recovery in a row is excused by a death between the two.
//!
//! All other failures stay. A disk without room, on the machine that the nodes run on, stops Postgres, etcd and agents
//! alike, as a machine does that is too slow: all failures after it are inconclusive, and what passes stays a pass.

use pghaspec_model::vocabulary::event::{Kind, Phase, Process, Run};
use pghaspec_model::vocabulary::property::Property;

use crate::history::{History, seconds};
use crate::judge::checks::allowed_by_the_model::ALLOWED_BY_THE_MODEL;
use crate::judge::facts::deaths::{Dead, Death, deaths};
use crate::judge::verdict::{Check, Verdict, excuse};

/// Deaths that are kept, at most: the first ones.
const KEPT: usize = 1_000;

/// All that strangers did, as far as the history was read.
#[derive(Default)]
pub struct Strangers {
    deaths: Vec<Death>,
    /// From when to when the disk was seen to have no room.
    full: Option<[u64; 2]>,
}

impl Strangers {
    /// Takes a part of a history in.
    pub fn take(&mut self, part: &History) {
        let room = KEPT.saturating_sub(self.deaths.len());
        self.deaths.extend(deaths(part).into_iter().take(room));
        // A later part tells what became of what an earlier one left behind.
        for death in &mut self.deaths {
            death.goes_on(part);
        }
        let ready = part.phase(Phase::Ready).unwrap_or(0);
        let settled = part.phase(Phase::Settled).unwrap_or(u64::MAX);
        for event in part.fresh().iter().filter(|event| event.at[1] >= ready && event.at[0] <= settled) {
            if matches!(event.kind, Kind::NoSpace) {
                let [from, to] = self.full.unwrap_or(event.at);
                self.full = Some([from.min(event.at[0]), to.max(event.at[1])]);
            }
        }
    }

    /// The deaths, in the order of recording.
    pub fn deaths(&self) -> &[Death] {
        &self.deaths
    }

    /// Makes failures inconclusive that follow from what strangers did. `demanded` says of which checks the scenario
    /// demands the outcome, `moment` when the event with a number was over, `read_back` when the end of the run began.
    pub fn excuse(
        &self,
        checks: &mut [Check],
        run: &Run,
        read_back: u64,
        demanded: impl Fn(&str) -> bool,
        moment: impl Fn(u64) -> Option<u64>,
    ) {
        for death in self.deaths.iter().filter(|death| death.at[0] <= read_back) {
            for check in checks.iter_mut().filter(|check| check.verdict == Verdict::Fail) {
                let at = check.event.and_then(&moment);
                let follows = match &check.id {
                    id if demanded(id) => at.is_none_or(|at| at >= death.at[0]),
                    id if *id == ALLOWED_BY_THE_MODEL.id() => death.may_be_own && at.is_none_or(|at| at >= death.at[0]),
                    id => is_left_behind(death, id, at, run),
                };
                if follows {
                    check.verdict = Verdict::Inconclusive;
                    check.why = format!("{}\nafter a death that nobody here caused: {}", check.why, death.words);
                }
            }
        }
        if let Some([from, to]) = self.full {
            let why = format!(
                "the disk that the nodes' data are on had no room between {} and {}\nmake room and run it again",
                seconds(from),
                seconds(to)
            );
            excuse(checks, from, moment, &why);
        }
    }
}

/// The check can fail by what goes on writing after this death, and it failed while that may have written.
fn is_left_behind(death: &Death, check: &str, at: Option<u64>, run: &Run) -> bool {
    let is = |properties: &[Property]| properties.iter().any(|property| property.id() == check);
    let configuration = &run.configuration;
    let watched =
        configuration.watchdog_present && (configuration.watchdog_required || configuration.watchdog_automatic);
    let can = match death.dead {
        Dead::Process(Process::Agent) => {
            !watched
                && (is(&[Property::OneWritableLeader, Property::NoSilentDivergence]) || check == "acknowledged-writes")
        }
        Dead::Process(Process::Postmaster) => is(&[
            Property::OneWritableLeader,
            Property::WritableNeedsLock,
            Property::KeyReleasedAfterStop,
            Property::WatchdogWhileWritable,
        ]),
        _ => false,
    };
    // What shows at the end of the run only may have come of it at any time.
    can && death.writable && at.is_none_or(|at| at >= death.at[0] && at <= death.until)
}
