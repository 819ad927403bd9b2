//! The derivation of schedules: it is complete, and some schedules are spelled out.

use std::collections::BTreeSet;

use pghaspec_model::derive::{Derived, Goal, derive};
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::fault::{Class, Fault};
use pghaspec_model::vocabulary::property::Property;

fn find<'a>(all: &'a [Derived], id: &str) -> &'a Derived {
    all.iter().find(|one| one.goal.id() == id).unwrap_or_else(|| panic!("{id} is not derived"))
}

fn steps(one: &Derived) -> Vec<String> {
    let words = |step: &pghaspec_model::derive::Step| {
        format!("{} {} {} {}", step.fault.id(), step.target, step.class, step.when.as_deref().unwrap_or("at once"))
    };
    one.schedule.steps.iter().map(words).collect()
}

/// One derivation serves all checks, because it takes half a minute of CPU.
#[test]
fn every_branch_fault_and_property_has_a_schedule() {
    let all = derive(&|_| ());
    let of = |kind: &str| all.iter().filter(|one| one.goal.kind() == kind).count();
    assert_eq!((of("branch"), of("fault"), of("property")), (18, 106, 35));

    // Every row of both tables; 2.1.2 has neither row 1b nor row 4a.
    let branches = |edition| -> BTreeSet<Branch> {
        let of_edition = |one: &Derived| match one.goal {
            Goal::Branch(of, branch) if of == edition => Some(branch),
            _ => None,
        };
        all.iter().filter_map(of_edition).collect()
    };
    let mut rows: BTreeSet<_> = Branch::ALL.into_iter().collect();
    assert_eq!(branches(Edition::V4_1), rows);
    rows.remove(&Branch::StartPrimary);
    rows.remove(&Branch::CrashRecoveryBeforeRewind);
    assert_eq!(branches(Edition::V2_1_2), rows);

    // Every fault that somebody injects, every property.
    let faults: BTreeSet<_> = all
        .iter()
        .filter_map(|one| match one.goal {
            Goal::Fault(fault, ..) => Some(fault),
            _ => None,
        })
        .collect();
    let not_made = [Fault::LeaseExpires, Fault::WatchStalls, Fault::WatchResumes];
    let made = Fault::ALL.into_iter().filter(|fault| !not_made.contains(fault)).collect();
    assert_eq!(faults, made);
    let properties: BTreeSet<_> = all
        .iter()
        .filter_map(|one| match one.goal {
            Goal::Kill(property, _) => Some(property),
            _ => None,
        })
        .collect();
    assert_eq!(properties, Property::ALL.into_iter().collect());

    for one in &all {
        let id = one.goal.id();
        let charged = one.schedule.steps.iter().filter(|step| step.fault.class() != Class::Free).count();
        assert!(charged == one.schedule.faults() && charged <= 3, "{id}");
        if let Goal::Fault(fault, hit, class) = one.goal {
            let last = one.schedule.steps.last().expect("a fault is led to by faults");
            assert_eq!((last.fault, last.target), (fault, hit.id()), "{id}");
            assert!(class.is_none_or(|class| class.id() == last.class), "{id}");
        }
        // Only schedules that break properties need moments that nobody can choose.
        assert!(one.schedule.is_controllable() || one.goal.kind() == "property", "{id}");
    }

    // Some schedules, step by step.
    assert_eq!(steps(find(&all, "branch/4.1/start-primary")), ["postmaster-killed leader primary at once"]);
    assert!(find(&all, "branch/4.1/fail-over").schedule.start_timeout_is_zero);
    assert_eq!(
        steps(find(&all, "branch/4.1/crash-recovery-before-rewind")),
        ["backend-crashed leader primary at once", "postmaster-killed member starting n1: postmaster starts"]
    );
    assert!(find(&all, "branch/4.1/follow-remote").schedule.configuration.standby_cluster);
    assert_eq!(
        steps(find(&all, "fault/agent-killed/leader/single-user")),
        [
            "node-killed leader primary at once",
            "agent-restarted leader down at once",
            "agent-killed leader single-user n1: postgres --single starts"
        ]
    );
    assert_eq!(steps(find(&all, "property/one-writable-leader/4.1")), ["agent-killed leader primary at once"]);
    assert_eq!(steps(find(&all, "property/key-released-after-stop/4.1")), ["orphans-left leader primary at once"]);
    assert_eq!(find(&all, "property/failover-bound/keeps-lock").schedule.mutant, Some("keeps-lock"));
}
