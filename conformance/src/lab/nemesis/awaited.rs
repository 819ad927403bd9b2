//! The events that steps await, looked for in the view of the cluster.

use pghaspec_model::cluster::sight::process_text;
use pghaspec_model::vocabulary::event::{Event, Kind, ServerState, WriteResult};

use super::targets;
use super::targets::Roles;
use crate::lab::wait::Seen;
use crate::observe::view::View;
use crate::scenario::{Target, When};

/// Looks for the event that a step awaits; without one it is time at once. All times are nanoseconds: `hold` is how
/// long a cluster must be healthy before it counts, `now` is a moment of the run.
pub fn met(when: Option<&When>, view: &View, roles: &Roles, hold: u64, ttl: u64, now: u64) -> Seen<()> {
    let Some(when) = when else { return Seen::Yes(()) };
    // A node that is gone does nothing any more.
    let gone = view.gone();
    let unless_gone = |seen: Seen<()>, at: Target| match (&seen, targets::find(at, view, roles)) {
        (Seen::NotYet(last), Ok(nodes)) if !nodes.is_empty() && nodes.iter().all(|node| gone.contains(&**node)) => {
            Seen::Never(format!("{last}, and the container of {} has ended", nodes.join(", ")))
        }
        _ => seen,
    };
    let happened = |fits: &dyn Fn(&Event) -> bool, what: &str| match view.events_since(roles.since).any(fits) {
        true => Seen::Yes(()),
        false => Seen::NotYet(format!("no {what}")),
    };
    let of = |event: &Event, at: Target| {
        let nodes = targets::find(at, view, roles).unwrap_or_default();
        event.node.as_ref().is_some_and(|node| nodes.contains(node))
    };
    let acknowledged = |event: &Event| {
        matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
            && event.node.as_ref().is_some_and(|node| !roles.first_hit.contains(node))
    };
    match when {
        When::LeaderKeyGone if view.leader.is_none() => Seen::Yes(()),
        When::LeaderKeyGone => {
            happened(&|event| matches!(&event.kind, Kind::LeaderKey { holder: None, .. }), "removal of the leader key")
        }
        When::LeaderElsewhere => match &view.leader {
            Some(leader) if !roles.first_hit.contains(leader) => Seen::Yes(()),
            Some(leader) => Seen::NotYet(format!("{leader} still holds the leader key")),
            None => Seen::NotYet("nobody holds the leader key".to_owned()),
        },
        When::WriteElsewhere => happened(&acknowledged, "write that another node acknowledged"),
        When::LedElsewhere => {
            match view.events_since(roles.since).find(|event| acknowledged(event)).map(|event| event.at[1]) {
                None => Seen::NotYet("no write that another node acknowledged".to_owned()),
                Some(first) => happened(
                    &|event| acknowledged(event) && event.at[0] >= first + 2 * hold,
                    "write two cycles after the first",
                ),
            }
        }
        When::Healthy => view.healthy_for(hold, 0).map(drop).into(),
        When::TtlOver if now >= roles.effect_at + ttl => Seen::Yes(()),
        When::TtlOver => Seen::NotYet("the ttl is not over".to_owned()),
        When::Starts(one) => {
            let starts = |event: &Event| matches!(event.kind, Kind::ProcessStarted { what, .. } if what == one.process);
            let what = format!("start of {}", process_text(one.process));
            unless_gone(happened(&|event| starts(event) && of(event, one.at), &what), one.at)
        }
        When::Ends(one) => {
            let ends = |event: &Event| matches!(event.kind, Kind::ProcessExited { what, .. } if what == one.process);
            let what = format!("end of {}", process_text(one.process));
            unless_gone(happened(&|event| ends(event) && of(event, one.at), &what), one.at)
        }
        When::Server { at, is } => match targets::find(*at, view, roles) {
            Err(why) => Seen::NotYet(why),
            Ok(nodes) => {
                let probed = |name: &String| view.nodes.get(name).filter(|node| node.probed_at >= roles.since);
                let finding = |name: &String| probed(name).and_then(|node| node.finding);
                let other = nodes.iter().find(|name| finding(name).map(|finding| finding.state) != Some(*is));
                let seen = match other.map(|name| (name, finding(name))) {
                    None => Seen::Yes(()),
                    Some((name, Some(finding))) => Seen::NotYet(format!("Postgres of {name} is {}", finding.words())),
                    Some((name, None)) => Seen::NotYet(format!("Postgres of {name} was not probed yet")),
                };
                if *is == ServerState::Refused { seen } else { unless_gone(seen, *at) }
            }
        },
        When::Takes { at, branch } => {
            let takes = |event: &Event| matches!(event.kind, Kind::Recover { branch: taken, .. } if taken == *branch);
            unless_gone(happened(&|event| takes(event) && of(event, *at), &format!("word of {}", branch.id())), *at)
        }
        When::Says { at, name } => {
            let says = |event: &Event| matches!(&event.kind, Kind::Said { pattern, .. } if pattern == name);
            unless_gone(happened(&|event| says(event) && of(event, *at), &format!("word of {name}")), *at)
        }
        When::Struck(fault) => {
            let struck =
                |event: &Event| matches!(&event.kind, Kind::Fault { fault: one, effect: Some(_) } if one == fault);
            happened(&struck, &format!("{} yet", fault.id()))
        }
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::recover::branch::Branch;
    use pghaspec_model::vocabulary::event::{FORMAT, KeyChange, Process, Session, Source, Watchdog};
    use pghaspec_model::vocabulary::fault::Fault;

    use super::*;
    use crate::scenario::ProcessAt;

    fn event(at: u64, node: Option<&str>, kind: Kind) -> Event {
        Event { v: FORMAT, seq: 0, at: [at, at], node: node.map(str::to_owned), source: Source::Harness, kind }
    }

    fn is_met(when: &When, view: &View, roles: &Roles) -> bool {
        matches!(met(Some(when), view, roles, 10, 20, 115), Seen::Yes(()))
    }

    #[test]
    fn only_what_happened_since_the_step_before_counts() {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        let roles = Roles { first_hit: vec!["n1".to_owned()], since: 50, effect_at: 100 };
        let starts = When::Starts(ProcessAt { process: Process::SingleUser, at: Target::FirstHit });
        let start = Kind::ProcessStarted { what: Process::SingleUser, pid: 7, argv: Vec::new() };
        view.apply(&event(49, Some("n1"), start.clone()));
        view.apply(&event(60, Some("n2"), start.clone()));
        assert!(!is_met(&starts, &view, &roles));
        view.apply(&event(61, Some("n1"), start));
        assert!(is_met(&starts, &view, &roles));

        let takes = When::Takes { at: Target::FirstHit, branch: Branch::CrashRecovery };
        assert!(!is_met(&takes, &view, &roles));
        view.apply(&event(62, Some("n1"), Kind::Recover { branch: Branch::CrashRecovery, message: String::new() }));
        assert!(is_met(&takes, &view, &roles));

        let struck = When::Struck(Fault::StartFails);
        view.apply(&event(63, Some("n1"), Kind::Fault { fault: Fault::StartFails, effect: None }));
        assert!(!is_met(&struck, &view, &roles));
        view.apply(&event(64, Some("n1"), Kind::Fault { fault: Fault::StartFails, effect: Some("e".to_owned()) }));
        assert!(is_met(&struck, &view, &roles));
    }

    #[test]
    fn nobody_waits_for_a_node_that_is_gone() {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        let roles = Roles { first_hit: vec!["n1".to_owned()], since: 50, effect_at: 100 };
        let met = |when: &When, view: &View| met(Some(when), view, &roles, 10, 20, 115);
        let starts = |at| When::Starts(ProcessAt { process: Process::Postmaster, at });
        let primary = When::Server { at: Target::FirstHit, is: ServerState::Primary };
        let refused = When::Server { at: Target::FirstHit, is: ServerState::Refused };
        assert!(matches!(met(&starts(Target::FirstHit), &view), Seen::NotYet(_)));
        view.container_ended("n1", true);
        assert!(matches!(met(&starts(Target::FirstHit), &view), Seen::Never(_)));
        assert!(matches!(met(&primary, &view), Seen::Never(_)));
        // A probe will find that nothing listens there, and the other node is there.
        assert!(matches!(met(&refused, &view), Seen::NotYet(_)));
        assert!(matches!(met(&starts(Target::Other), &view), Seen::NotYet(_)));
        // What had come before it went has come.
        let start = Kind::ProcessStarted { what: Process::Postmaster, pid: 7, argv: Vec::new() };
        let mut started = view.clone();
        started.apply(&event(60, Some("n1"), start));
        assert!(matches!(met(&starts(Target::FirstHit), &started), Seen::Yes(())));
        // A watchdog starts it again.
        let fired = Kind::Watchdog { change: Watchdog::Fired, timeout_s: None };
        view.apply(&event(60, Some("n1"), fired));
        assert!(matches!(met(&starts(Target::FirstHit), &view), Seen::NotYet(_)));
    }

    #[test]
    fn another_node_leads_when_it_has_written_for_two_cycles() {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        let roles = Roles { first_hit: vec!["n1".to_owned()], since: 50, effect_at: 50 };
        let write = |result| Kind::Write { id: 1, session: Session::Fresh, result, error: None };
        for (at, node, result, leads) in [
            (49, "n2", WriteResult::Ok, false),
            (60, "n2", WriteResult::Failed, false),
            (61, "n2", WriteResult::Ok, false),
            (80, "n2", WriteResult::Ok, false),
            (81, "n1", WriteResult::Ok, false),
            (82, "n2", WriteResult::Failed, false),
            (83, "n2", WriteResult::Ok, true),
        ] {
            view.apply(&event(at, Some(node), write(result)));
            assert_eq!(is_met(&When::LedElsewhere, &view, &roles), leads, "{at}");
        }
        assert!(is_met(&When::WriteElsewhere, &view, &roles));
    }

    #[test]
    fn states_count_as_they_were_seen_last() {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        let mut roles = Roles { first_hit: vec!["n1".to_owned()], since: 50, effect_at: 100 };
        assert!(is_met(&When::LeaderKeyGone, &view, &roles));
        let key = |holder: &str| Kind::LeaderKey {
            change: KeyChange::Created,
            holder: Some(holder.to_owned()),
            revision: 1,
            lease: 0,
        };
        view.apply(&event(60, None, key("n1")));
        assert!(!is_met(&When::LeaderKeyGone, &view, &roles) && !is_met(&When::LeaderElsewhere, &view, &roles));
        view.apply(&event(61, None, key("n2")));
        assert!(is_met(&When::LeaderElsewhere, &view, &roles));
        let primary = When::Server { at: Target::NewLeader, is: ServerState::Primary };
        let server =
            Kind::Server { state: ServerState::Primary, timeline: Some(1), lsn: None, streaming: None, control: None };
        view.apply(&event(62, Some("n2"), server));
        assert!(!is_met(&primary, &view, &roles), "no probe since the step before");
        view.nodes.get_mut("n2").unwrap().probed_at = 62;
        assert!(is_met(&primary, &view, &roles));
        assert!(!is_met(&When::TtlOver, &view, &roles));
        roles.effect_at = 95;
        assert!(is_met(&When::TtlOver, &view, &roles));
    }
}
