//! The steps of the cluster with clocks: when each can be taken, and when time can pass.

use stateright::Model;

use crate::cluster::{Action, At, LeaderKey, Lease, Node, NodeId, Reach, State};
use crate::recover::dialogue::{Question, Stop};
use crate::vocabulary::fault::Fault;
use crate::vocabulary::property::Property;

use super::Timed;
use super::clocks::{Clocks, NodeClocks};

/// A state of the cluster and of the clocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// The cluster.
    pub state: State,
    /// The clocks.
    pub clocks: Clocks,
}

/// A step of the cluster with clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimedAction {
    /// A tick passes. The clock of the agent on this node, if any, misses it.
    Tick(Option<NodeId>),
    /// The agent begins a cycle: it requests the state of the cluster from the DCS.
    Begin(NodeId),
    /// A step of the cluster, which takes no time.
    Step(Action),
}

impl Timed {
    /// True if the next action of the agent needs the DCS.
    fn needs_dcs(&self, node: &Node) -> bool {
        let Some(agent) = &node.agent else { return false };
        match agent.at {
            At::Idle | At::Lead | At::LongAction | At::StartingUp | At::Race | At::Released(_) => true,
            At::Granted | At::Compare | At::Rewinding => false,
            At::Recover(position) => matches!(
                self.cluster.automaton().at(position),
                Err(Stop::Ask(Question::UpdateLock | Question::DemoteImmediate | Question::LoadCluster))
            ),
        }
    }

    /// True if the agent's open request can take effect, or fail, in this moment.
    fn is_answered(&self, moment: &Moment, id: NodeId) -> bool {
        let Some(asking) = moment.clocks.nodes[usize::from(id)].asking else { return false };
        reaches(&moment.state, id) || asking >= self.timing.retry_timeout
    }

    /// True if it must do so before the next tick.
    fn answer_is_due(&self, moment: &Moment, id: NodeId) -> bool {
        let prompt = !self.timing.slow_dcs && reaches(&moment.state, id);
        moment.clocks.nodes[usize::from(id)].asking.is_some_and(|asking| prompt || asking >= self.timing.retry_timeout)
    }

    fn is_frozen(&self, moment: &Moment, id: NodeId) -> bool {
        !moment.state.nodes[usize::from(id)].is_attended()
    }

    /// True if the armed watchdog resets the node now.
    fn watchdog_fires(&self, moment: &Moment, id: NodeId) -> bool {
        let index = usize::from(id);
        moment.state.nodes[index].watchdog && moment.clocks.nodes[index].watchdog == 0
    }

    /// True if the lease under the leader key has not been kept alive for `ttl`.
    fn lease_is_over(&self, moment: &Moment) -> bool {
        moment.state.leader.is_some() && moment.clocks.lease == 0 && !moment.state.dcs_down
    }

    /// True if something has to happen before the next tick.
    fn is_urgent(&self, moment: &Moment, actions: &[Action]) -> bool {
        let at_once = |action: &Action| match action {
            Action::Enforce(_) | Action::Compare(..) | Action::Decide(_) | Action::Promote(_) => true,
            Action::TaskEnds(_) | Action::Replicate(_) => true,
            Action::Answer(id, _) => !self.needs_dcs(&moment.state.nodes[usize::from(*id)]),
            _ => false,
        };
        let pressing = |id: NodeId| {
            if self.watchdog_fires(moment, id) {
                return true;
            }
            let clocks = &moment.clocks.nodes[usize::from(id)];
            let idle = moment.state.nodes[usize::from(id)].agent.as_ref().is_some_and(|agent| agent.at == At::Idle);
            let begins = idle && clocks.asking.is_none() && clocks.next == 0;
            !self.is_frozen(moment, id) && (begins || self.answer_is_due(moment, id))
        };
        self.lease_is_over(moment) || self.cluster.node_ids().any(pressing) || actions.iter().any(at_once)
    }

    /// Sets the clocks after a step.
    fn set_clocks(&self, before: &Moment, action: Action, after: &mut Moment) {
        let timing = &self.timing;
        let (was, is) = (&before.state, &mut after.state);
        let clocks = &mut after.clocks;
        let actor = acts(action).then_some(action.node());
        let keeps_lock = actor.filter(|id| {
            reaches(was, *id)
                && is.leader == Some(LeaderKey { holder: *id, lease: Lease::Kept })
                && self.writes_lock(&was.nodes[usize::from(*id)])
        });
        if keeps_lock.is_some() || was.dcs_down && !is.dcs_down {
            clocks.lease = timing.ttl;
        }
        if is.leader.is_none() {
            clocks.lease = 0;
        }
        let holder = |state: &State| state.leader.map(|key| key.holder);
        let key_changed = holder(was) != holder(is);
        for id in self.cluster.node_ids() {
            let index = usize::from(id);
            let (was, is) = (&was.nodes[index], &mut is.nodes[index]);
            let clocks = &mut clocks.nodes[index];
            if !is.watchdog {
                clocks.watchdog = 0;
            } else if !was.watchdog || keeps_lock == Some(id) {
                clocks.watchdog = timing.ttl - timing.safety_margin;
            }
            if !is.is_starting() || is.server != was.server {
                clocks.start = 0;
            }
            is.late = self.is_late(is, clocks);
            let (Some(agent), Some(before)) = (&is.agent, &was.agent) else {
                (clocks.next, clocks.asking) = (0, None);
                continue;
            };
            if key_changed && is.dcs == Reach::Both || before.slot.is_some() && agent.slot.is_none() {
                clocks.next = 0;
            }
            if actor == Some(id) || agent.at != before.at {
                clocks.asking = (agent.at != At::Idle && self.needs_dcs(is)).then_some(0);
            }
        }
    }

    /// True if `primary_start_timeout` is over. If it is zero, a task that waits for a start does so for
    /// `pg_ctl_timeout`, which is longer than all times here (patroni 4.1.5 `postgresql/__init__.py` 817-828).
    fn is_late(&self, node: &Node, clocks: &NodeClocks) -> bool {
        let start_timeout = self.timing.start_timeout;
        node.is_starting() && start_timeout > 0 && clocks.start >= start_timeout
    }

    /// True if the agent is about to refresh the lock, or to take it.
    fn writes_lock(&self, node: &Node) -> bool {
        node.agent.as_ref().is_some_and(|agent| match agent.at {
            At::Lead | At::LongAction | At::StartingUp | At::Race => true,
            At::Recover(position) => {
                matches!(self.cluster.automaton().at(position), Err(Stop::Ask(Question::UpdateLock)))
            }
            _ => false,
        })
    }

    /// True if behaviours are not explored beyond this moment.
    pub(super) fn is_cut_short(&self, moment: &Moment) -> bool {
        moment.state.wal.records().count() > MOST_RECORDS
    }

    /// True if `property` holds in this moment, and for all properties of steps.
    pub fn holds_in(&self, property: Property, moment: &Moment) -> bool {
        self.cluster.holds_in(property, &moment.state)
    }

    /// True if `property` holds in this step, and for all properties of states.
    pub fn holds_over(&self, property: Property, before: &Moment, action: TimedAction, after: &Moment) -> bool {
        match action {
            TimedAction::Step(action) => self.cluster.holds_over(property, &before.state, action, &after.state),
            TimedAction::Tick(_) | TimedAction::Begin(_) => true,
        }
    }
}

/// The most WAL records that a behaviour is explored with. Where leases end too early, nodes may take the lock from
/// each other for ever, and leave WAL fork after WAL fork behind.
const MOST_RECORDS: usize = 7;

fn reaches(state: &State, id: NodeId) -> bool {
    !state.dcs_down && state.nodes[usize::from(id)].dcs == Reach::Both
}

/// True for a step of an agent's cycle.
fn acts(action: Action) -> bool {
    matches!(
        action,
        Action::Cycle(_)
            | Action::Update(_)
            | Action::Enforce(_)
            | Action::Compare(..)
            | Action::Acquire(_)
            | Action::Answer(..)
            | Action::Decide(_)
            | Action::Demoted(_)
    )
}

impl Model for Timed {
    type State = Moment;
    type Action = TimedAction;

    fn init_states(&self) -> Vec<Moment> {
        let timing = &self.timing;
        let mut moments = Vec::new();
        for state in self.cluster.init_states() {
            let watchdog = |node: &Node| if node.watchdog { timing.ttl - timing.safety_margin } else { 0 };
            let nodes = std::array::from_fn(|id| {
                let node = &state.nodes[id];
                let next = if node.agent.is_some() { timing.loop_wait } else { 0 };
                NodeClocks { next, asking: None, watchdog: watchdog(node), start: 0 }
            });
            moments.push(Moment { clocks: Clocks { lease: timing.ttl, drift: timing.drift, nodes }, state });
        }
        moments
    }

    fn actions(&self, moment: &Moment, actions: &mut Vec<TimedAction>) {
        // Behaviours end with two writable leaders: what comes after that is another question.
        if !self.holds_in(Property::OneWritableLeader, moment) || self.is_cut_short(moment) {
            return;
        }
        let mut steps = Vec::new();
        self.cluster.actions(&moment.state, &mut steps);
        // Here the clocks decide what depends on time.
        steps.retain(|step| !matches!(step, Action::Fault(Fault::LeaseExpires, _) | Action::WatchdogResets(_)));
        let fires = self.cluster.node_ids().filter(|id| self.watchdog_fires(moment, *id));
        actions.extend(fires.map(|id| TimedAction::Step(Action::WatchdogResets(id))));
        // Whatever else is due in the same moment comes before the end of a lease.
        let due = |id| !self.is_frozen(moment, id) && self.answer_is_due(moment, id) || self.watchdog_fires(moment, id);
        if let Some(key) = moment.state.leader.filter(|_| self.lease_is_over(moment))
            && !self.cluster.node_ids().any(due)
        {
            actions.push(TimedAction::Step(Action::Fault(Fault::LeaseExpires, key.holder)));
        }
        for &step in &steps {
            let id = step.node();
            let node = &moment.state.nodes[usize::from(id)];
            if !acts(step) || !self.needs_dcs(node) || self.is_answered(moment, id) {
                actions.push(TimedAction::Step(step));
            }
        }
        for id in self.cluster.node_ids().filter(|id| !self.is_frozen(moment, *id)) {
            let agent = moment.state.nodes[usize::from(id)].agent.as_ref();
            if agent.is_some_and(|agent| agent.at == At::Idle) && moment.clocks.nodes[usize::from(id)].asking.is_none()
            {
                actions.push(TimedAction::Begin(id));
            }
        }
        if !self.is_urgent(moment, &steps) {
            actions.push(TimedAction::Tick(None));
            if moment.clocks.drift > 0 {
                let attended = self.cluster.node_ids().filter(|id| !self.is_frozen(moment, *id));
                actions.extend(attended.map(|id| TimedAction::Tick(Some(id))));
            }
        }
    }

    fn next_state(&self, moment: &Moment, action: TimedAction) -> Option<Moment> {
        let mut next = moment.clone();
        match action {
            TimedAction::Tick(slow) => {
                next.clocks.tick(&self.timing, &moment.state, slow.map(usize::from));
                for (node, clocks) in next.state.nodes.iter_mut().zip(&next.clocks.nodes) {
                    node.late = self.is_late(node, clocks);
                }
            }
            TimedAction::Begin(id) => {
                let clocks = &mut next.clocks.nodes[usize::from(id)];
                (clocks.next, clocks.asking) = (self.timing.loop_wait, Some(0));
            }
            TimedAction::Step(step) => {
                next.state = self.cluster.next_state(&moment.state, step)?;
                self.set_clocks(moment, step, &mut next);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![
            stateright::Property::always("anything", |_: &Timed, _: &Moment| true),
            stateright::Property::always(Property::OneWritableLeader.id(), |timed: &Timed, moment: &Moment| {
                timed.holds_in(Property::OneWritableLeader, moment)
            }),
        ]
    }
}
