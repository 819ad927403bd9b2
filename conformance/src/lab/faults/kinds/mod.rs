//! The registry of faults: for each entry of the vocabulary, the value that makes it or ends it.
//!
//! There is no `_` in it, so a fault that is missing here does not compile. Whether a scenario may name a fault is said
//! by the [catalogue](crate::scenario::catalogue), for the parser of scenarios; a test holds the two to each other.

mod agent;
mod clock;
mod cuts;
mod dcs;
mod disk;
mod etcd;
mod link;
mod node;
mod orphans;
mod postmaster;
mod remote;
mod trapped;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::Process;
use pghaspec_model::vocabulary::fault::Fault;

use super::inject::{End, Inject};
use super::tools::traps::{Sends, Trap};
use crate::scenario::catalogue::{LEASE_EXPIRES, NotMade, WATCH_RESUMES, WATCH_STALLS};
use crate::scenario::{Action, How};

/// The way in which an entry of the vocabulary comes about.
pub enum Making {
    /// The lab makes it at once.
    AtOnce(&'static dyn Inject),
    /// A trap makes it when a process starts.
    InWait(&'static Trap),
    /// The lab makes it at once, or, where a step says `during`, a trap does.
    Either(&'static dyn Inject, &'static Trap),
    /// The lab ends another fault by it.
    Ends(&'static dyn End),
    /// The lab cannot make it from outside.
    Never(&'static NotMade),
}

/// The work that a step is for the lab.
pub enum Act {
    /// Nothing.
    Wait,
    /// A fault is made.
    Begin(&'static dyn Inject),
    /// A fault is ended.
    End(&'static dyn End),
    /// The action cannot be done.
    Never(&'static NotMade),
}

/// The work that an action is for the lab.
pub fn act_of(action: Action, how: &How) -> Act {
    let making = match action {
        Action::Fault(fault) => of_fault(fault),
        Action::Disturbance(disturbance) => of_disturbance(disturbance),
        Action::Lift(_) => Making::Ends(&trapped::Lift),
        Action::Await => return Act::Wait,
    };
    match making {
        Making::AtOnce(inject) => Act::Begin(inject),
        Making::InWait(trap) => Act::Begin(trap),
        Making::Either(_, trap) if how.during.is_some() => Act::Begin(trap),
        Making::Either(inject, _) => Act::Begin(inject),
        Making::Ends(end) => Act::End(end),
        Making::Never(reason) => Act::Never(reason),
    }
}

/// The way in which a fault comes about.
pub fn of_fault(fault: Fault) -> Making {
    use Fault::*;
    use Making::*;
    use Process::{Agent, PgRewind, Postmaster, SingleUser};
    const KILL: Sends = Sends::Kill;
    match fault {
        PostmasterKilled => Either(
            &postmaster::Kill,
            &Trap { fault: PostmasterKilled, springs: Postmaster, hits: Postmaster, sends: KILL },
        ),
        OrphansLeft => AtOnce(&orphans::Leave),
        BackendCrashed => AtOnce(&postmaster::KillChild),
        AgentKilled => {
            Either(&agent::Kill, &Trap { fault: AgentKilled, springs: SingleUser, hits: Agent, sends: KILL })
        }
        AgentRestarted => Ends(&agent::Restart),
        AgentFrozen => AtOnce(&agent::Freeze),
        AgentThawed => Ends(&agent::Thaw),
        NodeKilled => AtOnce(&node::Kill),
        StartFails => InWait(&Trap { fault: StartFails, springs: Postmaster, hits: Postmaster, sends: KILL }),
        StartHangs => InWait(&Trap {
            fault: StartHangs,
            springs: Postmaster,
            hits: Postmaster,
            sends: Sends::Stop { ended_as: PostmasterKilled },
        }),
        SingleUserFails => InWait(&Trap { fault: SingleUserFails, springs: SingleUser, hits: SingleUser, sends: KILL }),
        SingleUserHangs => InWait(&Trap {
            fault: SingleUserHangs,
            springs: SingleUser,
            hits: SingleUser,
            sends: Sends::Stop { ended_as: SingleUserFails },
        }),
        RewindFails => InWait(&Trap { fault: RewindFails, springs: PgRewind, hits: PgRewind, sends: KILL }),
        DiskFull => AtOnce(&disk::Fill),
        DiskFreed => Ends(&disk::Free),
        RequestsLost => AtOnce(&cuts::FromDcs { outgoing: true }),
        RepliesLost => AtOnce(&cuts::FromDcs { outgoing: false }),
        DcsReached => Ends(&cuts::Rejoin),
        NodesCut => AtOnce(&cuts::FromNodes),
        NodesJoined => Ends(&cuts::Rejoin),
        DcsDown => AtOnce(&dcs::Down),
        DcsUp => Ends(&dcs::Up),
        LeaseLost => AtOnce(&etcd::RevokeLease),
        LeaseExpires => Never(&LEASE_EXPIRES),
        WatchStalls => Never(&WATCH_STALLS),
        WatchResumes => Never(&WATCH_RESUMES),
    }
}

/// The way in which a benign fault comes about.
pub fn of_disturbance(disturbance: Disturbance) -> Making {
    use Disturbance::*;
    use Making::*;
    match disturbance {
        EtcdLeaderMoved => AtOnce(&etcd::MoveLeader),
        EtcdCompacted => AtOnce(&etcd::Compact),
        LinkSlowed => AtOnce(&link::Slow),
        LinkRestored => Ends(&link::Restore),
        ClockSkewed => AtOnce(&clock::Skew),
        ClockRestored => Ends(&clock::Restore),
        OrphansContinued => Ends(&orphans::Continue),
        RemoteFailover => AtOnce(&remote::FailOver),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::catalogue::{self, Entry, Hits, Strikes};

    /// Says whether a way to make a fault is what the catalogue says of it.
    fn agrees(making: &Making, entry: Result<Entry, &'static NotMade>) -> bool {
        match (making, entry.map(|entry| entry.strikes)) {
            (Making::AtOnce(_) | Making::Ends(_), Ok(Strikes::AtOnce)) => true,
            (Making::InWait(_), Ok(Strikes::InWait)) => true,
            (Making::Either(..), Ok(Strikes::AtOnceOrInWait)) => true,
            (Making::Never(reason), Err(said)) => *reason == said,
            _ => false,
        }
    }

    #[test]
    fn the_registry_and_the_catalogue_agree_on_every_fault() {
        for fault in Fault::ALL {
            let making = of_fault(fault);
            assert!(agrees(&making, catalogue::of_fault(fault)), "{}", fault.id());
            if let Making::InWait(trap) | Making::Either(_, trap) = making {
                assert_eq!(trap.fault, fault);
            }
        }
        for one in Disturbance::ALL {
            assert!(agrees(&of_disturbance(one), Ok(catalogue::of_disturbance(one))), "{}", one.id());
        }
    }

    /// A scenario with a step for a fault, after one that leaves a stopped orphan.
    fn scenario(key: &str, id: &str, entry: Entry) -> String {
        let target = match entry.hits {
            Hits::Nodes => "leader",
            Hits::Dcs => "etcd",
            Hits::Remote => "remote",
        };
        let needs: String = entry.needs.iter().map(|key| format!(", {} = 7", key.id())).collect();
        // What ends something follows its beginning.
        let begun: String = ["agent-frozen", "agent-killed", "disk-full", "requests-lost", "nodes-cut"]
            .map(|fault| format!("{{ fault = '{fault}', target = 'leader' }},\n"))
            .concat();
        format!(
            "title = 't'\nwhy = 'w'\nprofiles = ['core']\nnodes = 2\netcd = 3\nexpect = {{}}\n\
             needs = ['standby-cluster']\n\
             settings = {{ loop_wait_s = 1, ttl_s = 20, retry_timeout_s = 3, primary_start_timeout_s = 0, \
             standby_cluster = true }}\n\
             step = [{{ fault = 'orphans-left', stopped = true, target = 'leader' }},\n{begun}\
             {{ fault = 'dcs-down', target = 'etcd' }},\n\
             {{ disturbance = 'link-slowed', target = 'leader', delay_ms = 7 }},\n\
             {{ disturbance = 'clock-skewed', target = 'leader', skew_s = 7 }},\n\
             {{ when = 'healthy' }},\n\
             {{ {key} = '{id}', target = '{target}'{needs} }}]\n"
        )
    }

    #[test]
    fn a_scenario_may_name_what_the_lab_can_make_and_nothing_else() {
        let parsed = |text: &str| Scenario::parse(Path::new("x.toml"), text);
        for fault in Fault::ALL {
            match (of_fault(fault), catalogue::of_fault(fault)) {
                (Making::Never(reason), _) => {
                    let any = catalogue::of_fault(Fault::AgentKilled).unwrap();
                    let error = parsed(&scenario("fault", fault.id(), any)).unwrap_err();
                    assert_eq!((error.problem.as_str(), &*error.help), (reason.why, reason.instead));
                }
                (_, entry) => {
                    let text = scenario("fault", fault.id(), entry.unwrap());
                    parsed(&text).unwrap_or_else(|error| panic!("{}: {error}", fault.id()));
                }
            }
        }
        for one in Disturbance::ALL {
            let text = scenario("disturbance", one.id(), catalogue::of_disturbance(one));
            parsed(&text).unwrap_or_else(|error| panic!("{}: {error}", one.id()));
        }
    }

    #[test]
    fn what_lasts_is_ended_by_an_end_and_every_end_ends_something() {
        let faults = Fault::ALL.into_iter().map(|fault| (Action::Fault(fault), of_fault(fault)));
        let benign = Disturbance::ALL.into_iter().map(|one| (Action::Disturbance(one), of_disturbance(one)));
        let (mut ends, mut named) = (BTreeSet::new(), BTreeSet::new());
        let id = |action: Action| format!("{action:?}");
        for (action, making) in faults.chain(benign) {
            match making {
                Making::AtOnce(inject) | Making::Either(inject, _) => {
                    if let Some(end) = inject.ended_by() {
                        assert!(matches!(act_of(end, &How::default()), Act::End(_)), "{}", id(action));
                        named.insert(id(end));
                    }
                }
                Making::InWait(trap) => assert_eq!(trap.ended_by(), Some(Action::Lift(trap.fault))),
                Making::Ends(_) => assert!(ends.insert(id(action))),
                Making::Never(_) => {}
            }
        }
        assert_eq!(ends, named);
    }
}
