//! The store of a history's observations: in memory while they are few, then in a temporary file.
//!
//! They are read again for each model that is asked to explain them, and a long history has more than memory holds.
//! Nobody else sees the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use pghaspec_model::belief::{Observation, Seen};

/// Bytes of an observation in the file.
const WIDTH: usize = 40;
/// Observations that are read from the file at once.
const AT_ONCE: usize = 1024;
/// Observations that are held in memory, at most.
const HELD: usize = 1 << 16;

/// Observations in their order.
#[derive(Default)]
pub struct Spool {
    held: Vec<Observation>,
    /// Those behind the first [`HELD`].
    file: Option<BufWriter<File>>,
    kinds: Kinds,
    count: u64,
}

/// The different things that were seen, but for their timelines, of which a long history has many.
#[derive(Default)]
struct Kinds {
    all: Vec<Seen>,
    places: HashMap<Seen, u32>,
}

impl Kinds {
    fn place(&mut self, seen: Seen) -> u32 {
        *self.places.entry(seen).or_insert_with(|| {
            self.all.push(seen);
            self.all.len() as u32 - 1
        })
    }
}

impl Spool {
    /// Adds an observation.
    ///
    /// # Errors
    /// There is no room for the file.
    pub fn put(&mut self, observation: &Observation) -> io::Result<()> {
        self.count += 1;
        if self.held.len() < HELD {
            self.held.push(*observation);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        let (what, timeline) = match observation.what {
            Seen::Looks(id, state, timeline) => (Seen::Looks(id, state, None), timeline),
            other => (other, None),
        };
        let mut bytes = [0; WIDTH];
        bytes[..8].copy_from_slice(&observation.at[0].to_ne_bytes());
        bytes[8..16].copy_from_slice(&observation.at[1].to_ne_bytes());
        bytes[16..24].copy_from_slice(&observation.seq.to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.kinds.place(what).to_ne_bytes());
        bytes[28..32].copy_from_slice(&timeline.unwrap_or(0).to_ne_bytes());
        bytes[32] = u8::from(timeline.is_some());
        bytes[33] = observation.chain;
        file.write_all(&bytes)
    }

    /// Writes the rest to the file, so that all can be read.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Number of observations.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// All of them. A file that cannot be read any more ends them early, which shows in their number.
    pub fn iter(&self) -> impl Iterator<Item = Observation> {
        self.held.iter().copied().chain(self.file.iter().flat_map(|file| self.in_file(file.get_ref())))
    }

    fn in_file<'s>(&'s self, file: &'s File) -> impl Iterator<Item = Observation> + 's {
        let mut read = Vec::new();
        let mut next = 0;
        let count = self.count - self.held.len() as u64;
        (0..count).map_while(move |index| {
            if next * WIDTH == read.len() {
                let more = AT_ONCE.min((count - index) as usize);
                read.resize(more * WIDTH, 0);
                file.read_exact_at(&mut read, index * WIDTH as u64).ok()?;
                next = 0;
            }
            let bytes = &read[next * WIDTH..][..WIDTH];
            next += 1;
            self.read(bytes)
        })
    }

    fn read(&self, bytes: &[u8]) -> Option<Observation> {
        let long = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let timeline = short(28)?;
        let what = match *self.kinds.all.get(short(24)? as usize)? {
            Seen::Looks(id, state, _) => Seen::Looks(id, state, (bytes[32] == 1).then_some(timeline)),
            other => other,
        };
        Some(Observation { at: [long(0)?, long(8)?], what, seq: long(16)?, chain: bytes[33] })
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::event::ServerState;

    use super::*;

    #[test]
    fn observations_come_back_as_they_were_put_in_from_memory_and_from_the_file() {
        let observation = |index: u64| {
            let timeline = (!index.is_multiple_of(3)).then_some(index as u32);
            let what = match index % 2 {
                0 => Seen::Looks((index % 3) as u8, ServerState::Standby, timeline),
                _ => Seen::HasHadCycle((index % 3) as u8),
            };
            Observation { at: [index, index + 7], what, seq: 3 * index, chain: (index % 2) as u8 }
        };
        let mut spool = Spool::default();
        let count = HELD as u64 + 2_500;
        (0..count).try_for_each(|index| spool.put(&observation(index))).unwrap();
        spool.flush().unwrap();
        assert_eq!(spool.len(), count);
        for _ in 0..2 {
            assert!(spool.iter().eq((0..count).map(observation)));
        }
    }
}
