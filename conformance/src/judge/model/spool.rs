//! What the model is asked to explain of a long history: kept in a file that nobody else sees, and read again for each model.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

use pghaspec_model::belief::{Observation, Seen};

/// Bytes of an observation in the file.
const WIDTH: usize = 40;
/// Observations that are read at once.
const AT_ONCE: usize = 1024;

/// Writes observations down.
pub struct Spooling {
    file: BufWriter<File>,
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

/// Observations that were written down, in their order.
pub struct Spool {
    file: File,
    kinds: Vec<Seen>,
    count: u64,
}

impl Spooling {
    /// In an empty file.
    ///
    /// # Errors
    /// There is no room for one.
    pub fn new() -> io::Result<Spooling> {
        Ok(Spooling { file: BufWriter::new(tempfile::tempfile()?), kinds: Kinds::default(), count: 0 })
    }

    /// Writes one down.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn put(&mut self, observation: &Observation) -> io::Result<()> {
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
        self.count += 1;
        self.file.write_all(&bytes)
    }

    /// All are written down.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn done(self) -> io::Result<Spool> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Spool { file, kinds: self.kinds.all, count: self.count })
    }
}

impl Spool {
    /// How many.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// All of them. What cannot be read any more ends them early, which is a difference in their number.
    pub fn iter(&self) -> impl Iterator<Item = Observation> {
        let mut held = Vec::new();
        let mut next = 0;
        (0..self.count).map_while(move |index| {
            if next * WIDTH == held.len() {
                let more = AT_ONCE.min((self.count - index) as usize);
                held.resize(more * WIDTH, 0);
                self.file.read_exact_at(&mut held, index * WIDTH as u64).ok()?;
                next = 0;
            }
            let bytes = &held[next * WIDTH..][..WIDTH];
            next += 1;
            self.read(bytes)
        })
    }

    fn read(&self, bytes: &[u8]) -> Option<Observation> {
        let long = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let timeline = short(28)?;
        let what = match *self.kinds.get(short(24)? as usize)? {
            Seen::Looks(id, state, _) => Seen::Looks(id, state, (bytes[32] == 1).then_some(timeline)),
            other => other,
        };
        Some(Observation { at: [long(0)?, long(8)?], what, seq: long(16)?, chain: bytes[33] })
    }
}
