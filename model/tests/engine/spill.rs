//! Spilling: a search that moves what it seldom needs out of memory has the same results.

use std::io::{Error, ErrorKind, Result};
use std::sync::Mutex;

use crate::models::two_phase_commit::{Action, Bits, Packed};
use pghaspec_model::engine::{Exploration, Inspect, Limit, Options, Spill, Word, search, search_spilling};

/// Storage with room for a given number of bytes.
struct Room {
    bytes: Mutex<Vec<u8>>,
    most: usize,
}

impl Room {
    fn of(most: usize) -> Room {
        Room { bytes: Mutex::default(), most }
    }
}

impl Spill for Room {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut held = self.bytes.lock().unwrap();
        if held.len() + bytes.len() > self.most {
            return Err(Error::new(ErrorKind::StorageFull, "no room is left"));
        }
        let offset = held.len() as u64;
        held.extend_from_slice(bytes);
        Ok(offset)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let offset = offset as usize;
        bytes.copy_from_slice(&self.bytes.lock().unwrap()[offset..offset + bytes.len()]);
        Ok(())
    }
}

/// Looks for one state of each depth of the model, the last ones included.
struct Deep;

impl Inspect<Packed> for Deep {
    fn step(&self, _: &Packed, _: &Bits, action: Action, after: &Bits) -> u64 {
        1 << (after.0.count_ones() % 32) | u64::from(matches!(action, Action::TmAbort)) << 32
    }
}

const MODEL: Packed = Packed(8);

fn outcome(found: &Exploration<Bits, Action>) -> impl PartialEq + std::fmt::Debug {
    (found.states, found.transitions, found.depth, found.incomplete, found.unexpanded, found.found.clone())
}

#[test]
fn results_do_not_depend_on_spilling() {
    let usual = search(&MODEL, Options::default(), &Deep);
    for threads in [1, 2, 3] {
        let room = Room::of(usize::MAX);
        let options = Options { threads, ..Options::default() };
        let spilled = search_spilling(&MODEL, options, &Deep, Some(&room));
        assert_eq!(outcome(&spilled), outcome(&usual), "{threads} threads");
        assert_eq!(spilled.spilled, room.bytes.lock().unwrap().len());
        // All but the newest stretches of states and parents were moved out; the visited set stays.
        assert!(spilled.spilled > usual.states * 11, "{} bytes of {} states", spilled.spilled, usual.states);
        assert!(spilled.bytes + usual.states * 10 < usual.bytes);
    }
}

/// Spilling begins when half of the memory is taken, so a search may finish that otherwise could not.
#[test]
fn a_search_that_spills_needs_less_memory() {
    let usual = search(&MODEL, Options::default(), &Deep);
    // In the end it does not hold that much, but it does when its visited set grows for the last time.
    let options = Options { memory: Some(usual.bytes), ..Options::default() };
    assert_eq!(search(&MODEL, options, &Deep).incomplete, Some(Limit::Memory));
    let spilled = search_spilling(&MODEL, options, &Deep, Some(&Room::of(usize::MAX)));
    assert_eq!(outcome(&spilled), outcome(&usual));
    let plenty = Options { memory: Some(usual.bytes * 4), ..Options::default() };
    assert_eq!(search_spilling(&MODEL, plenty, &Deep, Some(&Room::of(usize::MAX))).spilled, 0);
}

#[test]
fn a_full_disk_is_an_honest_end() {
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let found = search_spilling(&MODEL, options, &Deep, Some(&Room::of(3 << 20)));
        assert_eq!(found.incomplete, Some(Limit::Spill));
        assert_eq!(found.spill_error.as_deref(), Some("no room is left"));
        assert!(found.unexpanded > 0 && found.spilled <= 3 << 20);
        // Earlier discoveries are reported all the same, with their paths.
        assert!(found.found.iter().flatten().all(|path| !path.steps.is_empty()));
    }
}

/// A disk that is full when nothing is left to be done cuts nothing off; one that is full earlier is reported with what
/// was left.
#[test]
fn a_full_disk_is_the_end_only_of_what_it_cuts_off() {
    let model = Packed(7);
    let usual = search(&model, Options::default(), &Deep);
    // One stretch of states and of their parents.
    let stretch = (1 << 15) * (size_of::<u64>() + size_of::<u32>());
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let needed = search_spilling(&model, options, &Deep, Some(&Room::of(usize::MAX))).spilled;
        let mut cut_off = 0;
        for most in (0..=needed).step_by(stretch).chain([needed - 1]) {
            let found = search_spilling(&model, options, &Deep, Some(&Room::of(most)));
            if found.incomplete.is_none() {
                assert_eq!(outcome(&found), outcome(&usual));
                continue;
            }
            cut_off += 1;
            assert_eq!((found.incomplete, most < needed), (Some(Limit::Spill), true));
            assert!(found.unexpanded > 0 && found.transitions < usual.transitions, "{most} bytes");
        }
        assert_eq!(cut_off, needed / stretch + 1);
    }
}

/// Data that was moved out and does not come back would be missing from the search: no verdict is better than a wrong
/// one.
#[test]
#[should_panic(expected = "what the search spilled cannot be read back: the disk is gone")]
fn a_broken_disk_is_no_verdict() {
    struct Broken;
    impl Spill for Broken {
        fn append(&self, _: &[u8]) -> Result<u64> {
            Ok(0)
        }
        fn read(&self, _: u64, _: &mut [u8]) -> Result<()> {
            Err(Error::other("the disk is gone"))
        }
    }
    search_spilling(&MODEL, Options::default(), &Deep, Some(&Broken));
}

#[test]
fn words_are_read_as_they_were_written() {
    fn law<W: Word + std::fmt::Debug>(word: W) {
        let mut bytes = vec![0; W::BYTES];
        word.write(&mut bytes);
        assert_eq!(W::read(&bytes), word);
    }
    law(0x0123_4567_u32);
    law(0x0123_4567_89AB_CDEF_u64);
    law(0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128);
    law([1_u64, u64::MAX - 1, 0x0123_4567_89AB_CDEF]);
}
