//! Long sequences of packed states, in memory or, if a search spills, outside of it.

use std::ops::Range;

use super::spec::Word;

const SEGMENT_BITS: usize = 15;
const SEGMENT: usize = 1 << SEGMENT_BITS;

/// Storage outside of memory for what a search seldom needs: the queue of states that are not yet expanded, and their
/// parents. Appended bytes are never changed, and are read back in long stretches.
pub trait Spill: Sync {
    /// Appends bytes and returns the offset at which they begin.
    ///
    /// # Errors
    /// The bytes cannot be stored, for example on a full disk. They stay in memory then, and the search ends with
    /// [`Limit::Spill`](super::Limit::Spill).
    fn append(&self, bytes: &[u8]) -> std::io::Result<u64>;

    /// Reads bytes that were appended.
    ///
    /// # Errors
    /// The bytes cannot be read back. The search panics then: without them it can neither go on nor report
    /// anything.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()>;
}

/// A sequence that grows without being copied, so that it never takes more memory than it needs.
pub(super) struct Segments<T> {
    segments: Vec<Segment<T>>,
    len: usize,
    /// All segments before this one are written out.
    written: usize,
}

/// A stretch of the sequence: in memory, outside, or both.
struct Segment<T> {
    here: Vec<T>,
    away: Option<u64>,
}

impl<T: Copy> Segments<T> {
    pub(super) fn new() -> Self {
        Segments { segments: Vec::new(), len: 0, written: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if self.len & (SEGMENT - 1) == 0 {
            self.segments.push(Segment { here: Vec::with_capacity(SEGMENT), away: None });
        }
        let last = self.segments.len() - 1;
        self.segments[last].here.push(item);
        self.len += 1;
    }

    /// The item at `index`, which must be in memory.
    #[inline]
    pub(super) fn get(&self, index: usize) -> T {
        self.segments[index >> SEGMENT_BITS].here[index & (SEGMENT - 1)]
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.segments.iter().filter(|segment| segment.here.capacity() > 0).count() * SEGMENT * size_of::<T>()
    }
}

impl<T: Word> Segments<T> {
    /// The item at `index`, in memory or outside.
    pub(super) fn fetch(&self, index: usize, spill: Option<&dyn Spill>) -> T {
        let segment = &self.segments[index >> SEGMENT_BITS];
        match (segment.away, spill) {
            (Some(offset), Some(spill)) if segment.here.is_empty() => {
                let place = (index & (SEGMENT - 1)) * T::BYTES;
                read(spill, offset + place as u64, 1)[0]
            }
            _ => self.get(index),
        }
    }

    /// The items from `index` to the end of its segment, in memory or outside.
    pub(super) fn fetch_on(&self, index: usize, spill: Option<&dyn Spill>) -> Vec<T> {
        let segment = &self.segments[index >> SEGMENT_BITS];
        let place = index & (SEGMENT - 1);
        match (segment.away, spill) {
            (Some(offset), Some(spill)) if segment.here.is_empty() => {
                read(spill, offset + (place * T::BYTES) as u64, SEGMENT - place)
            }
            _ => segment.here[place..].to_vec(),
        }
    }

    /// Writes out every full segment, and keeps in memory only those that hold `needed`.
    pub(super) fn spill(&mut self, needed: Range<usize>, spill: &dyn Spill) -> std::io::Result<()> {
        let full = self.len >> SEGMENT_BITS;
        for segment in &mut self.segments[self.written..full] {
            let mut bytes = vec![0; SEGMENT * T::BYTES];
            for (item, place) in segment.here.iter().zip(bytes.chunks_exact_mut(T::BYTES)) {
                item.write(place);
            }
            segment.away = Some(spill.append(&bytes)?);
            segment.here = Vec::new();
            self.written += 1;
        }
        let kept = needed.start >> SEGMENT_BITS..needed.end.div_ceil(SEGMENT);
        for (number, segment) in self.segments.iter_mut().enumerate() {
            let Some(offset) = segment.away else { continue };
            if !kept.contains(&number) {
                segment.here = Vec::new();
            } else if segment.here.is_empty() {
                segment.here = read(spill, offset, SEGMENT);
            }
        }
        Ok(())
    }

    /// Bytes outside of memory.
    pub(super) fn bytes_away(&self) -> usize {
        self.written * SEGMENT * T::BYTES
    }
}

fn read<T: Word>(spill: &dyn Spill, offset: u64, items: usize) -> Vec<T> {
    let mut bytes = vec![0; items * T::BYTES];
    if let Err(error) = spill.read(offset, &mut bytes) {
        panic!("what the search spilled cannot be read back: {error}");
    }
    bytes.chunks_exact(T::BYTES).map(T::read).collect()
}
