//! Safety properties: what each of them says about a state, or about a step.

use crate::recover::control::ControlState;
use crate::vocabulary::fault::Fault;
use crate::vocabulary::property::Property;

use crate::cluster::Cluster;
use crate::cluster::action::Action;
use crate::cluster::state::*;

impl Cluster {
    /// True if a property says something about clusters with these settings. The others hold without an occasion to be
    /// broken.
    pub fn is_about(&self, property: Property) -> bool {
        let settings = &self.settings;
        let writes = !settings.standby_cluster;
        match property {
            Property::NoLostSyncCommit => settings.synchronous && settings.budget.commits > 0,
            Property::BoundedAsyncLoss => writes && !settings.synchronous && settings.budget.commits > 0,
            Property::WatchdogWhileWritable => writes && settings.watchdog,
            Property::StandbyClusterReadOnly => settings.standby_cluster,
            Property::OneWritableLeader | Property::WritableNeedsLock | Property::NoSilentDivergence => writes,
            // This one needs clocks.
            Property::FailoverBound => false,
            _ => true,
        }
    }

    /// True if `property` holds in `state`, and for all properties of steps.
    pub fn holds_in(&self, property: Property, state: &State) -> bool {
        match property {
            Property::OneWritableLeader => state.nodes.iter().filter(|node| node.is_writable()).count() <= 1,
            Property::CrashRecoveryOnce => state.nodes.iter().all(|node| node.single_user_starts <= 1),
            Property::NoSilentDivergence => self.node_ids().all(|id| !self.diverges_silently(state, id)),
            Property::NoLostSyncCommit => {
                let leads = state.leader.map(|key| &state.nodes[usize::from(key.holder)]);
                leads.is_none_or(|node| node.server != Server::Primary || state.wal.missing(node.data).next().is_none())
            }
            Property::StandbyClusterReadOnly => {
                !self.settings.standby_cluster || state.nodes.iter().all(|node| !node.is_writable())
            }
            _ => true,
        }
    }

    /// True for a running standby of the leader that has diverged and whose agent has compared the timelines and found
    /// nothing.
    fn diverges_silently(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let Some(leader) = state.leader.map(|key| key.holder).filter(|leader| *leader != id) else { return false };
        let primary = &state.nodes[usize::from(leader)];
        let content = node.agent.as_ref().is_some_and(|agent| agent.rewind == Rewind::NotNeed);
        content
            && node.server == Server::Standby
            && node.upstream == Upstream::Member(leader)
            && primary.server == Server::Primary
            && !state.wal.includes(primary.data, node.data)
    }

    /// True if `property` holds in the step from `before` to `after`, and for all properties of states.
    pub fn holds_over(&self, property: Property, before: &State, action: Action, after: &State) -> bool {
        let id = action.node();
        let index = usize::from(id);
        let (was, is) = (&before.nodes[index], &after.nodes[index]);
        let became = |server| is.server == server && was.server != server;
        match property {
            Property::WritableNeedsLock => {
                // The step in which a node becomes writable does not touch the key, so `after` has the key of that
                // moment.
                !became(Server::Primary) || after.leader.is_some_and(|key| key.holder == id)
            }
            Property::CrashRecoveryAlone => !became(Server::SingleUser) || !was.has_postmaster() && !is.orphans,
            Property::CleanBeforeRewind => {
                let clean = matches!(was.control, Some(ControlState::ShutDown | ControlState::ShutDownInRecovery));
                !became(Server::Rewinding) || clean
            }
            Property::BoundedAsyncLoss => {
                // A node begins to lead: it is promoted, or it is still a primary and takes the lock.
                let took = is.server == Server::Primary
                    && after.leader.is_some_and(|key| key.holder == id)
                    && before.leader.is_none_or(|key| key.holder != id);
                if !matches!(action, Action::Promote(_)) && !took {
                    return true;
                }
                let announced = before.wal.missing(was.data).filter(|position| *position <= before.status).count();
                announced <= usize::from(self.settings.maximum_lag)
            }
            Property::DataDirectoryKept => {
                let allowed = self.settings.remove_on_divergence || was.control.is_none();
                !became(Server::Copying) || allowed
            }
            Property::WatchdogWhileWritable => {
                if !self.settings.watchdog || before.paused || after.paused {
                    return true;
                }
                let exposed = is.is_writable() && !is.watchdog;
                !exposed || was.is_writable() && !was.watchdog
            }
            Property::KeyReleasedAfterStop => {
                let ended = matches!(action, Action::Fault(Fault::LeaseExpires | Fault::LeaseLost, _));
                let released = before.leader.is_some_and(|key| key.holder == id) && after.leader.is_none();
                !released || ended || !is.is_writable()
            }
            Property::SingleLockOwner => match (before.leader, after.leader) {
                (Some(old), Some(new)) => old.holder == new.holder,
                _ => true,
            },
            _ => true,
        }
    }
}
