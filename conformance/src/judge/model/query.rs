//! The query that the model is asked: a history as the model's observations, and the model that fits its run.
//!
//! Several models are asked it: each edition, and each breach of a rule that may explain a refusal.

use std::io;

use pghaspec_model::belief::{Belief, Explanation, Limits, Refusal, Start};
use pghaspec_model::cluster::{Budget, Cluster, Names, Rewind, Settings, StartTimeouts, State, SyncKey};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::vocabulary::event::Run;
use pghaspec_model::vocabulary::fault::Fault;

use super::cache::with_belief;
use super::observations::Observer;
use super::spool::Spool;
use crate::history::{History, rules};

/// A history as the model is asked to explain it.
pub struct Query {
    /// The observations, in the order in which they begin.
    pub observations: Spool,
    asked: Observer,
    settings: Settings,
    /// The edition that the agent claims, and the rules in which its release differs from that.
    claimed: Option<(Edition, Vec<String>)>,
    /// There is one node only.
    alone: bool,
}

impl Query {
    /// The query about a history that is held; the error says why it cannot be asked.
    pub fn of(history: &History) -> Result<Query, String> {
        let mut observer = Observer::of(history)?;
        let mut spool = Spool::default();
        let shown = observer.take(history, true)?;
        shown.iter().try_for_each(|observation| spool.put(observation)).map_err(no_room)?;
        Query::new(&history.run, observer, spool)
    }

    /// The query about everything that was observed; the error says why it cannot be asked.
    pub fn new(run: &Run, asked: Observer, mut observations: Spool) -> Result<Query, String> {
        observations.flush().map_err(no_room)?;
        // A cluster of one behaves as one of two whose other node is never there.
        let nodes = run.nodes.len().max(2) as u8;
        // What must change nothing may have done so.
        if !asked.disturbed && !asked.changed {
            return Err("nothing happened between ready and the end".into());
        }
        Ok(Query {
            settings: settings(run, &asked, nodes),
            claimed: run.edition.as_deref().and_then(Edition::from_id).map(|edition| (edition, run.rules.clone())),
            alone: run.nodes.len() == 1,
            observations,
            asked,
        })
    }

    /// The nodes' names.
    pub fn names(&self) -> &Names {
        &self.asked.names
    }

    /// Intervals in which not all was seen, in words.
    pub fn gaps(&self) -> &[String] {
        &self.asked.gaps
    }

    /// Rules in which the agent's release differs from this edition, if that is the one that it claims.
    fn differs(&self, edition: Edition) -> &[String] {
        match &self.claimed {
            Some((claimed, differs)) if *claimed == edition => differs,
            _ => &[],
        }
    }

    /// The rules of an edition, or of a release that claims it.
    pub fn rules(&self, edition: Edition) -> Rules {
        rules(edition, self.differs(edition))
    }

    /// The edition's name, and how the agent's release differs from it.
    pub fn name(&self, edition: Edition) -> String {
        match self.differs(edition) {
            [] => edition.id().to_owned(),
            differs => format!("{} with {}", edition.id(), differs.join(", ")),
        }
    }

    /// The settings of the model, by the rules of an edition.
    pub fn settings(&self, edition: Edition, mutant: Option<Mutant>) -> Settings {
        let faults = faults(&self.asked, mutant);
        Settings { edition, rules: self.rules(edition), mutant, ..self.settings.clone() }.with_faults(&faults)
    }

    /// Asks the model with these settings for an explanation.
    pub fn ask(&self, settings: Settings) -> Result<Explanation, Refusal> {
        self.ask_within(settings, Limits::default())
    }

    /// Asks the model with these settings for an explanation that is found within these limits.
    pub fn ask_within(&self, settings: Settings, limits: Limits) -> Result<Explanation, Refusal> {
        with_belief(settings, limits, |belief| self.ask_belief(belief))
    }

    fn ask_belief(&self, belief: &mut Belief) -> Result<Explanation, Refusal> {
        let cluster = belief.cluster();
        let zero = cluster.settings.start_timeouts == StartTimeouts::Zero;
        let mut healthy = cluster.healthy(self.asked.leader, 1, zero);
        if self.alone {
            healthy.leave_only(self.asked.leader);
        }
        let states = with_unknown_memory(cluster, healthy);
        let start = Start { states, timeline: self.asked.timeline, blind: self.asked.blind };
        let explanation = belief.explain(&start, self.observations.iter())?;
        match explanation.observations == self.observations.len() {
            true => Ok(explanation),
            false => Err(Refusal::Limit {
                explained: explanation.observations,
                why: "observations that were written to a file and cannot be read again",
            }),
        }
    }

    /// Asks an edition for an explanation.
    pub fn ask_edition(&self, edition: Edition) -> Result<Explanation, Refusal> {
        self.ask(self.settings(edition, None))
    }
}

/// Everything that the run says about its cluster.
fn settings(run: &Run, asked: &Observer, nodes: u8) -> Settings {
    let configuration = &run.configuration;
    let zero = run.primary_start_timeout_s == 0;
    let settings = Settings {
        start_timeouts: if zero { StartTimeouts::Zero } else { StartTimeouts::Positive },
        watchdog: configuration.watchdog_present
            && (configuration.watchdog_required || configuration.watchdog_automatic),
        can_rewind: configuration.use_pg_rewind,
        remove_on_divergence: configuration.remove_data_directory_on_diverged_timelines,
        standby_cluster: configuration.standby_cluster,
        synchronous: configuration.synchronous_mode,
        failsafe: configuration.failsafe_mode,
        as_observed: true,
        // What is lost on its way is lost to the watch, too.
        stalls_unseen: cuts(asked) && !asked.faults.contains(&Fault::WatchStalls),
        budget: Budget {
            process: Budget::UNLIMITED,
            task: Budget::UNLIMITED,
            network: Budget::UNLIMITED,
            operator: if asked.remote_fails_over { Budget::UNLIMITED } else { 0 },
            ..Budget::NONE
        },
        ..Settings::of_timelines(Edition::V4_1, nodes)
    };
    settings.with_faults(&faults(asked, None))
}

/// Something that an agent and the DCS say to each other may have been lost.
fn cuts(asked: &Observer) -> bool {
    [Fault::RequestsLost, Fault::RepliesLost, Fault::DcsDown].iter().any(|fault| asked.faults.contains(fault))
}

/// Any fault may have been recorded; only those that make agents' cycles longer are left out where they were not.
fn faults(asked: &Observer, mutant: Option<Mutant>) -> Vec<Fault> {
    let recorded = |fault: Fault| asked.faults.contains(&fault);
    // What is done late differs only for an agent that is interrupted in between, be it by its end.
    let freezes = recorded(Fault::AgentFrozen) || mutant == Some(Mutant::ArmsWatchdogLate);
    let cuts = cuts(asked);
    let stalls = recorded(Fault::WatchStalls) || cuts;
    let faults = Fault::ALL.into_iter().filter(|fault| match fault {
        Fault::AgentFrozen => freezes,
        Fault::RequestsLost | Fault::RepliesLost | Fault::DcsDown => cuts,
        Fault::WatchStalls | Fault::WatchResumes => stalls,
        _ => true,
    });
    faults.collect()
}

/// The states that a healthy cluster may be in. The memory of a standby's agent of earlier comparisons cannot be seen:
/// it may be about to compare timelines. Nor can whom the leader has chosen for its synchronous standby, if it has:
/// `/sync` is not recorded.
pub fn with_unknown_memory(cluster: &Cluster, healthy: State) -> Vec<State> {
    let mut states = vec![healthy];
    if let Some(sync) = healthy.sync {
        for standby in cluster.node_ids().filter(|id| *id != sync.leader) {
            let mut state = healthy;
            state.sync = Some(SyncKey { standby: Some(standby), ..sync });
            state.nodes[usize::from(sync.leader)].sync_names = Some(standby);
            states.push(state);
        }
    }
    for id in cluster.node_ids() {
        for mut state in states.clone() {
            if let Some(agent) = state.nodes[usize::from(id)].agent.as_mut() {
                agent.rewind = Rewind::Check;
                states.push(state);
            }
        }
    }
    states
}

fn no_room(error: io::Error) -> String {
    format!("observations cannot be kept in a file: {error}")
}
