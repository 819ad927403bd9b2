//! Corner cases of the search: initial states, ends, and discoveries when several steps lead to the same state.

use std::sync::Mutex;
use std::time::Duration;

use crate::models::like_parts::{Flaw, LikeParts, Rule};
use crate::models::small_graph::{Node, SmallGraph, Taken};
use crate::models::two_phase_commit::{Bits, Packed};
use pghaspec_model::cluster::Settings;
use pghaspec_model::engine::{
    Exploration, Graph, Inspect, Limit, Liveness, Nothing, Options, Path, Progress, Spec, Word, laws, search, within,
};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::check::check;
use pghaspec_model::vocabulary::property::Property as ClusterProperty;
use stateright::{Model, Property};

fn p(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_p(node)
}

fn q(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_q(node)
}

/// Bit 0: a state with `p`. Bit 63: a state with `q`, or a step to one. Bit 1: a step at place 1.
struct Findings;

impl Inspect<SmallGraph> for Findings {
    fn state(&self, graph: &SmallGraph, node: &Node) -> u64 {
        u64::from(graph.is_p(node)) | u64::from(graph.is_q(node)) << 63
    }

    fn step(&self, graph: &SmallGraph, _: &Node, taken: Taken, after: &Node) -> u64 {
        u64::from(taken.step.0 == 1) << 1 | u64::from(graph.is_q(after)) << 63
    }
}

/// The results of one thread, after other numbers of threads had the same.
fn explore(graph: &SmallGraph) -> Exploration<Node, Taken> {
    let [one, two, three] =
        [1, 2, 3].map(|threads| search(graph, Options { threads, ..Options::default() }, &Findings));
    for more in [two, three] {
        assert_eq!((more.states, more.transitions, more.depth), (one.states, one.transitions, one.depth));
        assert_eq!((&more.found, &more.deadlock, more.deadlocks), (&one.found, &one.deadlock, one.deadlocks));
    }
    one
}

/// The steps of a path: each by its place, with the state that it leads to.
fn steps(path: &Option<Path<Node, Taken>>) -> Option<Vec<(u16, Node)>> {
    Some(path.as_ref()?.steps.iter().map(|(taken, node)| (taken.step.0, *node)).collect())
}

#[test]
fn a_model_that_begins_nowhere_has_no_states() {
    let empty = SmallGraph { initial: Vec::new(), ..SmallGraph::new(1, &[(0, 0)]).with_p(&[0]) };
    let shut_out = SmallGraph { outside: vec![true; 2], ..SmallGraph::new(2, &[(0, 1)]).with_p(&[0, 1]) };
    for graph in [empty, shut_out] {
        let found = explore(&graph);
        assert_eq!((found.states, found.transitions, found.depth, found.unexpanded), (0, 0, 0, 0));
        assert_eq!((found.deadlocks, found.incomplete), (0, None));
        assert!(found.found.iter().all(Option::is_none));
        // No limit is reached if there is nothing to cut off.
        let none = Options { depth: Some(0), time: Some(Duration::ZERO), memory: Some(0), ..Options::default() };
        assert_eq!(search(&graph, none, &Findings).incomplete, None);
        let whole = Graph::of(&graph);
        assert_eq!((whole.states(), whole.initial()), (0, 0));
        assert_eq!(Liveness::new(&whole).eventually(q), None);
        assert_eq!(Liveness::new(&whole).leads_to(p, q), None);
        assert_eq!(within(&whole, 0, |_| true, p, q), None);
    }
}

/// Among the initial states one is named twice, and one is out of bounds.
#[test]
fn initial_states_are_counted_once_and_within_the_boundary() {
    let mut graph = SmallGraph::new(5, &[(1, 2), (2, 2), (3, 4), (4, 4)]).with_p(&[3]).with_q(&[2]);
    graph.initial = vec![3, 1, 1, 1, 0];
    graph.outside[3] = true;
    graph.outside[0] = true;
    let found = explore(&graph);
    assert_eq!((found.states, found.transitions, found.depth), (2, 2, 1));
    assert_eq!(found.found[0], None);
    assert_eq!(steps(&found.found[63]), Some(vec![(0, 2)]));
    let whole = Graph::of(&graph);
    assert_eq!((whole.states(), whole.initial(), whole.transitions()), (2, 1, 2));
    // Only 1 is initial, so no behaviour begins in 2, and each one gets there.
    assert_eq!(Liveness::new(&whole).eventually(q), None);
    let lasso = Liveness::new(&whole).eventually(p).unwrap();
    assert_eq!((lasso.prefix.init, lasso.steps()), (1, 2));
    lasso.verify_eventually(&graph, p).unwrap();
}

#[test]
fn an_initial_state_may_be_the_discovery() {
    let mut graph = SmallGraph::new(3, &[(0, 1), (1, 2)]).with_p(&[1, 2]).with_q(&[1]);
    graph.initial = vec![0, 1];
    let found = explore(&graph);
    for bit in [0, 63] {
        let path = found.found[bit].as_ref().unwrap();
        assert_eq!((path.init, path.steps.len()), (1, 0));
    }
    assert_eq!(steps(&found.deadlock), Some(vec![(0, 2)]));
}

/// One state that stays as it is: it has a step, so it is no deadlock.
#[test]
fn a_step_to_the_same_state_is_a_step() {
    let still = SmallGraph::new(1, &[(0, 0), (0, 0)]).with_q(&[0]);
    let found = explore(&still);
    assert_eq!((found.states, found.transitions, found.depth, found.deadlocks), (1, 2, 0, 0));
    assert_eq!(steps(&found.found[1]), Some(vec![(1, 0)]));
    assert_eq!(steps(&found.found[63]), Some(vec![]));
    let nothing = explore(&SmallGraph::new(1, &[]));
    assert_eq!((nothing.states, nothing.transitions, nothing.deadlocks), (1, 0, 1));
}

/// The path to a state takes the first step that leads there. A discovery in a step is shown by that step.
#[test]
fn a_discovery_in_a_step_is_shown_by_that_step() {
    let twice = SmallGraph::new(3, &[(0, 1), (1, 2), (1, 2)]).with_q(&[2]);
    let found = explore(&twice);
    assert_eq!(steps(&found.found[1]), Some(vec![(0, 1), (1, 2)]));
    // A state that is discovered in the same step, and a bit that both show.
    assert_eq!(steps(&found.found[63]), Some(vec![(0, 1), (0, 2)]));
}

/// A state with a given number of actions; only the last one leads to another state.
#[derive(Clone, Debug)]
struct Wide(u32);

impl Model for Wide {
    type State = u32;
    type Action = u32;

    fn init_states(&self) -> Vec<u32> {
        vec![0]
    }

    fn actions(&self, state: &u32, actions: &mut Vec<u32>) {
        actions.extend(1..=if *state == 0 { self.0 } else { 0 });
    }

    fn next_state(&self, _: &u32, action: u32) -> Option<u32> {
        Some(u32::from(action == self.0))
    }
}

impl Spec for Wide {
    type Packed = u32;

    fn pack(&self, state: &u32) -> u32 {
        *state
    }

    fn unpack(&self, packed: u32) -> u32 {
        packed
    }
}

/// As many actions as fit, and one more, which would be taken for the first one.
#[test]
fn too_many_actions_are_refused() {
    let most = u32::from(u16::MAX);
    let found = search(&Wide(most), Options::default(), &Nothing);
    assert_eq!((found.states, found.transitions), (2, most as usize));
    assert_eq!(found.deadlock.unwrap().steps, [(most, 1)]);
    let wide = Wide(most);
    let graph = Graph::of(&wide);
    assert_eq!(Liveness::new(&graph).leads_to(|_, state| *state == 1, |_, _| false).unwrap().prefix.steps, [(most, 1)]);
    let refuses = |run: fn(&Wide)| {
        let panic = std::panic::catch_unwind(|| run(&Wide(most + 1))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a state has at most 65,535 actions"));
    };
    refuses(|model| drop(search(model, Options::default(), &Nothing)));
    refuses(|model| drop(Graph::of(model)));
}

/// Such a state would be taken for a visited one, and silently left out.
#[test]
fn a_state_that_packs_to_no_state_is_refused() {
    let rule = |from, to| Rule { from, to, others: (0, 0) };
    // Where it begins, and after some steps.
    for (parts, flaw) in [(0, Flaw::PacksToEmpty), (2, Flaw::PacksToEmpty), (2, Flaw::None)] {
        let model = LikeParts { parts, rules: vec![rule(0, 3)], flaw };
        let run = std::panic::catch_unwind(|| search(&model, Options::default(), &Nothing).states);
        let said = run.as_ref().err().map(|panic| panic.downcast_ref::<String>().unwrap().as_str());
        let expected = (flaw != Flaw::None).then_some("a state packs to the value that stands for no state");
        assert_eq!(said, expected);
    }
}

/// A search that ends at a limit reports exactly what it covered: each expanded state with all its steps, and the
/// number of the others.
#[test]
fn a_limit_says_what_it_left() {
    /// Counts the steps.
    struct Count(Mutex<usize>);
    impl Inspect<Packed> for Count {
        fn state(&self, _: &Packed, state: &Bits) -> u64 {
            1 << (state.0.count_ones() % 64)
        }
        fn step(&self, _: &Packed, _: &Bits, _: <Packed as Model>::Action, _: &Bits) -> u64 {
            *self.0.lock().unwrap() += 1;
            0
        }
    }
    let model = Packed(7);
    let limits = [
        (Limit::Depth, Options { depth: Some(9), ..Options::default() }),
        (Limit::Time, Options { time: Some(Duration::ZERO), ..Options::default() }),
        (Limit::Memory, Options { memory: Some(3 << 20), ..Options::default() }),
        (Limit::Memory, Options { memory: Some(0), ..Options::default() }),
    ];
    for (limit, options) in limits {
        for threads in [1, 2] {
            let count = Count(Mutex::new(0));
            let found = search(&model, Options { threads, ..options }, &count);
            assert_eq!(found.incomplete, Some(limit));
            assert!(found.unexpanded > 0 && found.unexpanded <= found.states);
            assert_eq!(found.transitions, count.0.into_inner().unwrap());
            // No path is longer than the reported depth, and some state has that depth.
            let longest = found.found.iter().flatten().map(|path| path.steps.len()).max();
            assert!(longest <= Some(found.depth), "{limit:?}, {threads} threads: {longest:?} > {}", found.depth);
        }
    }
    // A search that is complete when its time is up was not cut off.
    let done = Options { depth: Some(22), ..Options::default() };
    assert_eq!(search(&model, Options { depth: Some(23), ..done }, &Nothing).incomplete, None);
}

/// A level that is only partly known counts for the depth.
#[test]
fn depth_is_that_of_the_deepest_known_state() {
    // 20,000 states after one step, and each of them leads to one more.
    let n: Node = 20_000;
    let edges: Vec<(Node, Node)> = (1..=n).flat_map(|node| [(0, node), (node, n + node)]).collect();
    let graph = SmallGraph::new(2 * n as usize + 1, &edges).with_p(&[n + 1]);
    let (all, none) = (search(&graph, Options::default(), &Findings), Options::default());
    let some = search(&graph, Options { memory: Some(all.bytes - 1), ..none }, &Findings);
    assert_eq!((some.incomplete, all.depth), (Some(Limit::Memory), 2));
    assert!(some.states > n as usize + 1 && some.unexpanded > 0, "{} states", some.states);
    assert_eq!(some.found[0].as_ref().map(|path| path.steps.len()), Some(2));
    assert_eq!(some.depth, 2);
}

/// Two lamps, which are alike. Each can be switched on, by either of two switches; at last both are repaired, by either
/// of two people. Initially the first one is on or, as another initial state, the second.
#[derive(Clone, Debug)]
struct Lamps {
    begin: Vec<[bool; 3]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Switch {
    Gently(usize),
    Hard(usize),
    Mend,
}

impl Model for Lamps {
    type State = [bool; 3];
    type Action = Switch;

    fn init_states(&self) -> Vec<[bool; 3]> {
        self.begin.clone()
    }

    fn actions(&self, lamps: &[bool; 3], actions: &mut Vec<Switch>) {
        for lamp in (0..2).filter(|&lamp| !lamps[lamp]) {
            actions.extend([Switch::Gently(lamp), Switch::Hard(lamp)]);
        }
        if lamps[..2] == [true, true] && !lamps[2] {
            actions.push(Switch::Mend);
        }
    }

    fn next_state(&self, lamps: &[bool; 3], action: Switch) -> Option<[bool; 3]> {
        let mut next = *lamps;
        match action {
            Switch::Gently(lamp) | Switch::Hard(lamp) => next[lamp] = true,
            Switch::Mend => next[2] = true,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("anything", |_, _| true)]
    }
}

impl Spec for Lamps {
    type Packed = u32;

    fn pack(&self, lamps: &[bool; 3]) -> u32 {
        lamps.iter().rev().fold(0, |word, lamp| word << 1 | u32::from(*lamp))
    }

    fn unpack(&self, packed: u32) -> [bool; 3] {
        [0, 1, 2].map(|place| packed >> place & 1 == 1)
    }

    fn canonical(&self, lamps: &[bool; 3]) -> [bool; 3] {
        let [one, other, mended] = *lamps;
        [one.min(other), one.max(other), mended]
    }
}

/// Bit 0: hard; bit 1: gently; bit 2: the last lamp, hard; bit 3: all is repaired.
struct Hard;

impl Inspect<Lamps> for Hard {
    fn state(&self, _: &Lamps, lamps: &[bool; 3]) -> u64 {
        u64::from(lamps[2]) << 3
    }

    fn step(&self, _: &Lamps, _: &[bool; 3], action: Switch, after: &[bool; 3]) -> u64 {
        let hard = matches!(action, Switch::Hard(_));
        u64::from(hard)
            | u64::from(matches!(action, Switch::Gently(_))) << 1
            | u64::from(hard && after[..2] == [true, true]) << 2
    }
}

/// Under symmetry, too, a path is a behaviour of the model, and its last step is the one that was looked for, not just
/// one that leads to a like state.
#[test]
fn under_symmetry_paths_are_behaviours_and_show_what_was_found() {
    let both = vec![[true, false, false], [false, true, false]];
    for begin in [vec![[false; 3]], vec![[true, false, false]], vec![[false, true, false]], both] {
        let model = Lamps { begin };
        let all: Vec<[bool; 3]> = (0..8).map(|word| model.unpack(word)).collect();
        laws::packing(&model, all.clone()).unwrap();
        laws::symmetry(&model, all, |lamps| vec![*lamps, [lamps[1], lamps[0], lamps[2]]]).unwrap();
        let every = search(&model, Options::default(), &Hard);
        for threads in [1, 2] {
            let found = search(&model, Options { symmetry: true, threads, ..Options::default() }, &Hard);
            // One orbit for each number of lamps that are on, and one for the repaired state.
            assert_eq!(found.states, if model.begin[0] == [false; 3] { 4 } else { 3 }, "{model:?}");
            assert_eq!((found.depth, found.deadlocks), (every.depth, 1));
            for (bit, path) in found.found.iter().enumerate() {
                let length = |path: &Path<_, _>| path.steps.len();
                assert_eq!(path.as_ref().map(length), every.found[bit].as_ref().map(length));
                let Some(path) = path else { continue };
                assert_is_behaviour(&model, path);
                let (action, after) = path.steps.last().unwrap();
                let before = path.steps.iter().rev().nth(1).map_or(&path.init, |(_, before)| before);
                let shown = Hard.step(&model, before, *action, after) | Hard.state(&model, after);
                assert!(shown >> bit & 1 == 1, "bit {bit}: {path:?}");
            }
            assert_is_behaviour(&model, found.deadlock.as_ref().unwrap());
        }
    }
}

fn assert_is_behaviour(model: &Lamps, path: &Path<[bool; 3], Switch>) {
    assert!(model.init_states().contains(&path.init));
    let mut state = path.init;
    for (action, after) in &path.steps {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        assert!(actions.contains(action), "{path:?}");
        assert_eq!(model.next_state(&state, *action), Some(*after));
        state = *after;
    }
}

/// A packed state that only says whether it is the same as another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Opaque(u32);

impl Word for Opaque {
    const EMPTY: Self = Opaque(u32::MAX);

    fn spread(self) -> u64 {
        0x0123_4567_89AB_CDEF
    }

    fn write(self, bytes: &mut [u8]) {
        self.0.write(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        Opaque(u32::read(bytes))
    }
}

/// A graph whose states all have the same hash.
#[derive(Clone, Debug)]
struct Alike(SmallGraph);

impl Model for Alike {
    type State = Node;
    type Action = Taken;

    fn init_states(&self) -> Vec<Node> {
        self.0.init_states()
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Taken>) {
        self.0.actions(node, actions);
    }

    fn next_state(&self, node: &Node, action: Taken) -> Option<Node> {
        self.0.next_state(node, action)
    }
}

impl Spec for Alike {
    type Packed = Opaque;

    fn pack(&self, node: &Node) -> Opaque {
        Opaque(*node)
    }

    fn unpack(&self, packed: Opaque) -> Node {
        packed.0
    }
}

/// Trap: a state that is known by a hash alone is taken for any other one with that hash. States are compared whole,
/// everywhere: in the visited set, among recent successors, in the graph, and in the reconstruction of a path.
#[test]
fn states_with_the_same_hash_are_different_states() {
    let n: Node = 2_000;
    let graph = SmallGraph::new(n as usize, &(1..n).map(|node| ((node - 1) / 3, node)).collect::<Vec<_>>());
    let usual = search(&graph, Options::default(), &Nothing);
    let model = Alike(graph);
    for threads in [1, 2] {
        let found = search(&model, Options { threads, ..Options::default() }, &Nothing);
        assert_eq!((found.states, found.transitions), (n as usize, n as usize - 1));
        assert_eq!((found.depth, found.deadlocks), (usual.depth, usual.deadlocks));
        assert_eq!(found.deadlock.unwrap().last(), usual.deadlock.as_ref().unwrap().last());
    }
    assert_eq!(Graph::of(&model).states(), n as usize);
}

/// A long search reports its progress.
#[test]
fn a_long_search_reports_its_progress() {
    struct Slow(Mutex<Vec<Progress>>);
    impl Inspect<SmallGraph> for Slow {
        fn state(&self, _: &SmallGraph, node: &Node) -> u64 {
            std::thread::sleep(Duration::from_millis(if *node == 1 { 1_100 } else { 0 }));
            0
        }
        fn progress(&self, progress: &Progress) {
            self.0.lock().unwrap().push(*progress);
        }
    }
    let slow = Slow(Mutex::default());
    search(&SmallGraph::new(5, &[(0, 1), (0, 2), (1, 3), (2, 4)]), Options::default(), &slow);
    let told = slow.0.into_inner().unwrap();
    let [Progress { states: 3, queue: 0, depth: 1, bytes: 1.., spilled: 0, elapsed }] = told[..] else {
        panic!("{told:?}")
    };
    assert!(elapsed >= Duration::from_secs(1));
}

/// The witnesses of the cluster's branches under symmetry: each ends with a step that takes its branch.
#[test]
fn under_symmetry_witnesses_of_branches_take_them() {
    let options = Options { symmetry: true, ..Options::default() };
    for edition in [Edition::V2_1_2, Edition::V4_1] {
        let report = check(Settings::of_timelines(edition, 2), &ClusterProperty::ALL, options, &|_| (), None);
        let witnesses: Vec<_> =
            report.branches.into_iter().filter_map(|(branch, path)| Some((branch, path?))).collect();
        assert!(witnesses.len() > 3);
        for (branch, path) in witnesses {
            let before = path.steps.iter().rev().nth(1).map_or(&path.init, |(_, before)| before);
            let (action, _) = path.steps.last().unwrap();
            assert_eq!(report.cluster.branch_of(before, *action), Some(branch), "{action:?}");
        }
    }
}
