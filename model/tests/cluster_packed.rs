//! The packed form of the cluster's states, and its symmetry, on every state that can be reached.

use std::collections::HashSet;
use std::sync::Mutex;

use pghaspec_model::check::check;
use pghaspec_model::cluster::{Budget, Cluster, Settings, State};
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::{Inspect, Options, Spec, search};
use pghaspec_model::mutant::Mutant;
use pghaspec_model::property::Property;

fn small(edition: Edition, nodes: u8) -> Cluster {
    let budget = Budget { postmaster_kills: 1, agent_kills: 1, single_user_failures: 0 };
    Cluster::new(Settings { budget, ..Settings::new(edition, nodes) })
}

/// Checks the laws of [`Spec`] on each state, and collects the canonical ones.
struct Laws(Mutex<HashSet<u128>>);

impl Inspect<Cluster> for Laws {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        assert_eq!(&cluster.unpack(cluster.pack(state)), state);
        let canonical = cluster.canonical(state);
        assert_eq!(cluster.canonical(&canonical), canonical);
        for to in cluster.renumberings() {
            assert_eq!(cluster.canonical(&cluster.renumbered(state, *to)), canonical);
        }
        self.0.lock().unwrap().insert(cluster.pack(&canonical));
        0
    }
}

#[test]
fn every_reachable_state_keeps_the_laws_and_symmetry_counts_true_orbits() {
    for (edition, nodes) in [(Edition::V4_1, 2), (Edition::V2_1_2, 2), (Edition::V4_1, 3)] {
        let cluster = small(edition, nodes);
        let laws = Laws(Mutex::new(HashSet::new()));
        search(&cluster, Options::default(), &laws);
        let reduced =
            search(&cluster, Options { symmetry: true, ..Options::default() }, &pghaspec_model::engine::Nothing);
        assert_eq!(reduced.states, laws.0.into_inner().unwrap().len(), "{} with {nodes} nodes", edition.id());
    }
}

/// Renumbering a state renumbers what can happen next: the model treats all nodes alike.
#[test]
fn nodes_are_alike() {
    struct Alike;
    impl Inspect<Cluster> for Alike {
        fn state(&self, cluster: &Cluster, state: &State) -> u64 {
            let after = |state: &State| -> HashSet<u128> {
                cluster.steps(state).iter().map(|(_, after)| cluster.pack(&cluster.canonical(after))).collect()
            };
            for to in &cluster.renumberings()[1..] {
                assert_eq!(after(&cluster.renumbered(state, *to)), after(state));
            }
            0
        }
    }
    search(&small(Edition::V4_1, 2), Options::default(), &Alike);
}

#[test]
fn threads_and_symmetry_change_no_verdict() {
    for mutant in [None, Some(Mutant::OverwritesLock), Some(Mutant::ForgetsCrashRecovery)] {
        let run = |threads, symmetry| {
            let settings = Settings { mutant, ..Settings::new(Edition::V4_1, 2) };
            check(settings, &Property::ALL, Options { threads, symmetry, ..Options::default() }, &|_| (), None)
        };
        let one = run(1, false);
        for threads in [2, 3] {
            let more = run(threads, false);
            assert_eq!((more.states, more.transitions, more.depth), (one.states, one.transitions, one.depth));
            assert_eq!(more.properties, one.properties, "the very same counterexamples");
            assert_eq!(more.branches, one.branches, "the very same witnesses");
        }
        let reduced = run(1, true);
        for ((property, full), (_, reduced)) in one.properties.iter().zip(&reduced.properties) {
            let length = |path: &Option<pghaspec_model::engine::Path<_, _>>| path.as_ref().map(|path| path.steps.len());
            assert_eq!(length(full), length(reduced), "{}", property.id());
        }
        assert!(reduced.states < one.states);
    }
}
