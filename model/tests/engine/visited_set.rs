//! The two forms of the visited set: small states stand in its slots; of wide ones, which only the trail holds, it has
//! the numbers. The results of a search are the same with both.

use std::fmt::Debug;
use std::hash::Hash;
use std::io::Result;
use std::marker::PhantomData;
use std::sync::Mutex;

use crate::models::like_parts::{Flaw, LikeParts, Rule};
use crate::models::small_graph::{Node, SmallGraph};
use crate::models::two_phase_commit::Packed;
use pghaspec_model::cluster::{Action, Budget, Cluster, Settings, State};
use pghaspec_model::engine::{Exploration, Inspect, Nothing, Options, Spec, Spill, Word, search, search_spilling};
use pghaspec_model::rules::edition::Edition;
use stateright::Model;

/// A spill that takes everything.
#[derive(Default)]
struct Room(Mutex<Vec<u8>>);

impl Spill for Room {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut held = self.0.lock().unwrap();
        held.extend_from_slice(bytes);
        Ok((held.len() - bytes.len()) as u64)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(&self.0.lock().unwrap()[offset as usize..][..bytes.len()]);
        Ok(())
    }
}

/// A wide word that holds a small one.
trait Wide: Word + Debug {
    fn of(word: u64) -> Self;
    fn word(self) -> u64;
}

impl Wide for [u64; 3] {
    fn of(word: u64) -> Self {
        [word, word.rotate_left(20), word]
    }

    fn word(self) -> u64 {
        self[0]
    }
}

/// A word whose hash has only the bits of `MASK`, so that different states have the same hash or the same tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Poor<const MASK: u64>([u64; 3]);

impl<const MASK: u64> Word for Poor<MASK> {
    const EMPTY: Self = Poor(Word::EMPTY);

    fn spread(self) -> u64 {
        self.0.spread() & MASK
    }

    fn write(self, bytes: &mut [u8]) {
        self.0.write(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        Poor(Word::read(bytes))
    }
}

impl<const MASK: u64> Wide for Poor<MASK> {
    fn of(word: u64) -> Self {
        Poor(Wide::of(word))
    }

    fn word(self) -> u64 {
        self.0.word()
    }
}

/// All states have the same hash.
type Alike = Poor<0>;
/// All tags are the same, or one of 64 or of 256, the last of which is at the end.
type OneTag = Poor<0xFFFF_FFFF_0000_0000>;
type LowTags = Poor<0xFFFF_FFFF_0000_003F>;
type HighTags = Poor<0xFFFF_FFFF_FF00_0000>;

/// A model with its states packed into a wider word.
struct In<M, W>(M, PhantomData<W>);

impl<M: Model, W> Model for In<M, W> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.0.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.0.next_state(state, action)
    }

    fn within_boundary(&self, state: &M::State) -> bool {
        self.0.within_boundary(state)
    }
}

impl<M: Spec<Packed = u64>, W: Wide> Spec for In<M, W> {
    type Packed = W;

    fn pack(&self, state: &M::State) -> W {
        let word = self.0.pack(state);
        if word == u64::EMPTY { W::EMPTY } else { W::of(word) }
    }

    fn unpack(&self, packed: W) -> M::State {
        self.0.unpack(packed.word())
    }

    fn canonical(&self, state: &M::State) -> M::State {
        self.0.canonical(state)
    }
}

/// Looks for states and for steps by the bits of their small words, of which like states have the same number.
struct Sorts;

impl<M: Spec<Packed = u64>> Inspect<M> for Sorts {
    fn state(&self, model: &M, state: &M::State) -> u64 {
        1 << (model.pack(state).count_ones() % 31)
    }

    fn step(&self, model: &M, before: &M::State, _: M::Action, after: &M::State) -> u64 {
        1 << (32 + (2 * model.pack(before).count_ones() + model.pack(after).count_ones()) % 31)
    }
}

impl<M: Spec<Packed = u64>, W: Wide> Inspect<In<M, W>> for Sorts {
    fn state(&self, model: &In<M, W>, state: &M::State) -> u64 {
        self.state(&model.0, state)
    }

    fn step(&self, model: &In<M, W>, before: &M::State, action: M::Action, after: &M::State) -> u64 {
        self.step(&model.0, before, action, after)
    }
}

/// All results but the memory used.
fn outcome<S: Clone + Debug + PartialEq, A: Clone + Debug + PartialEq>(
    of: &Exploration<S, A>,
) -> impl PartialEq + Debug + use<S, A> {
    let counts = (of.states, of.transitions, of.depth, of.deadlocks, of.incomplete, of.unexpanded);
    (counts, of.deadlock.clone(), of.found.clone())
}

/// Asserts that both forms have the same results as the model with small words.
fn same<M>(model: M, symmetry: bool, widen: impl Fn(M) -> Vec<Box<dyn Fn(Options, bool) -> String>>)
where
    M: Spec<Packed = u64, State: Debug, Action: Debug> + Clone,
{
    let options = Options { symmetry, ..Options::default() };
    let usual = format!("{:?}", outcome(&search(&model, options, &Sorts)));
    for (form, explore) in widen(model).into_iter().enumerate() {
        for threads in [1, 2, 3] {
            for spills in [false, true] {
                // The texts are long.
                let same = explore(Options { threads, ..options }, spills) == usual;
                assert!(same, "word {form}, {threads} threads, spills: {spills}");
            }
        }
    }
}

/// The exploration of a model with its states in a given kind of word.
fn in_word<M, W: Wide>(model: M) -> Box<dyn Fn(Options, bool) -> String>
where
    M: Spec<Packed = u64, State: Debug, Action: Debug> + 'static,
{
    let model = In(model, PhantomData::<W>);
    Box::new(move |options, spills| {
        let room = Room::default();
        let spill = spills.then_some(&room as &dyn Spill);
        format!("{:?}", outcome(&search_spilling(&model, options, &Sorts, spill)))
    })
}

/// The parts of the set grow some thirty times, and most states are met again in the block in which they are new.
#[test]
fn both_forms_find_the_same() {
    same(Packed(7), false, |model| vec![in_word::<_, [u64; 3]>(model)]);
    same(Packed(8), true, |model| vec![in_word::<_, [u64; 3]>(model)]);
}

/// Trap: a set that compares only tags.
#[test]
fn states_with_the_same_tag_are_different_states() {
    same(Packed(5), false, |model| {
        vec![
            in_word::<_, OneTag>(model.clone()),
            in_word::<_, LowTags>(model.clone()),
            in_word::<_, HighTags>(model.clone()),
            in_word::<_, [u64; 3]>(model),
        ]
    });
    same(Packed(4), false, |model| vec![in_word::<_, Alike>(model)]);
}

/// Trap: a state has no final number in the block in which it is new. Here each new state is met again in the same
/// block, far from its first place, and in the next block; and so are states of earlier levels.
#[test]
fn a_state_is_known_from_the_moment_it_is_found() {
    const WIDTH: Node = 9_000;
    let mut edges: Vec<(Node, Node)> = (1..=WIDTH).map(|node| (0, node)).collect();
    for level in 0..4 {
        for node in 0..WIDTH {
            let (from, next) = (1 + level * WIDTH, 1 + (level + 1) * WIDTH);
            for to in [next + node, next + (node + WIDTH / 2) % WIDTH, next + (node * 7 + 11) % WIDTH, from + node / 2]
            {
                edges.push((from + node, to));
            }
        }
    }
    let graph = SmallGraph::new(1 + 5 * WIDTH as usize, &edges);
    assert_eq!(search(&graph, Options::default(), &Nothing).states, 1 + 5 * WIDTH as usize);
    same(graph, false, |graph| vec![in_word::<_, [u64; 3]>(graph)]);
}

/// The cluster, whose states are wide by nature.
#[test]
fn both_forms_find_the_same_in_the_cluster() {
    struct Kinds;
    impl Inspect<Cluster> for Kinds {
        fn step(&self, _: &Cluster, _: &State, action: Action, _: &State) -> u64 {
            1 << (action.kind() % 64)
        }
    }
    let budget = Budget { process: 1, network: 1, ..Budget::NONE };
    for (nodes, symmetry) in [(2, false), (3, true)] {
        let cluster = Cluster::new(Settings { budget, ..Settings::new(Edition::V4_1, nodes) });
        let run = |threads, spill| {
            search_spilling(&cluster, Options { threads, symmetry, ..Options::default() }, &Kinds, spill)
        };
        let room = Room::default();
        let usual = run(1, Some(&room));
        for threads in [1, 2] {
            assert_eq!(outcome(&run(threads, None)), outcome(&usual), "{nodes} nodes, {threads} threads");
        }
    }
}

/// A wide state is stored once.
#[test]
fn wide_states_take_little_more_than_themselves() {
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let found = search(&In(Packed(8), PhantomData::<[u64; 3]>), options, &Nothing);
        // The states, their parents, and 8 bytes for each slot, of which fewer than 2 are free for each that is taken.
        let own = size_of::<[u64; 3]>() + size_of::<u32>();
        assert!((own + 10..own + 20).contains(&found.bytes_per_state()), "{}", found.bytes_per_state());
    }
}

/// As with small words.
#[test]
fn a_wide_state_that_packs_to_no_state_is_refused() {
    let rule = Rule { from: 0, to: 3, others: (0, 0) };
    for parts in [0, 2] {
        let model = LikeParts { parts, rules: vec![rule], flaw: Flaw::PacksToEmpty };
        let model = In(model, PhantomData::<[u64; 3]>);
        let run = std::panic::catch_unwind(|| search(&model, Options::default(), &Nothing).states);
        let panic = run.unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert_eq!(said, "a state packs to the value that stands for no state");
    }
}
