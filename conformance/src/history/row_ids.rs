//! Sets of rows, as ranges of their numbers.
//!
//! Clients number their rows without gaps, and there may be millions.

use std::collections::BTreeMap;

/// A set of row numbers that grows: the ranges by their first numbers, none of which touches another.
#[derive(Clone, Debug, Default)]
pub struct Growing(BTreeMap<u64, u64>);

impl Growing {
    /// Adds these rows, first and last inclusive.
    pub fn insert(&mut self, [mut first, mut last]: [u64; 2]) {
        let next = self.0.range(first.saturating_add(1)..).next().map(|(begin, _)| *begin);
        if let Some((begin, end)) =
            self.0.range_mut(..=first).next_back().filter(|(_, end)| end.saturating_add(1) >= first)
        {
            // Nearly always it is a client's next one, and reaches no other range.
            if next.is_none_or(|next| next > last.saturating_add(1)) {
                *end = (*end).max(last);
                return;
            }
            (first, last) = (*begin, last.max(*end));
        }
        while let Some((&begin, &end)) =
            self.0.range(first..).next().filter(|(begin, _)| **begin <= last.saturating_add(1))
        {
            last = last.max(end);
            self.0.remove(&begin);
        }
        self.0.insert(first, last);
    }

    /// A row is one of them.
    pub fn contains(&self, id: u64) -> bool {
        self.0.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Number of ranges.
    pub fn ranges(&self) -> usize {
        self.0.len()
    }

    /// As they are now.
    pub fn rows(&self) -> Rows {
        Rows(self.0.iter().map(|(first, last)| [*first, *last]).collect())
    }
}

/// A set of row numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Vec<[u64; 2]>);

impl Rows {
    /// All of these ranges, first and last inclusive, in any order.
    pub fn new(ranges: impl IntoIterator<Item = [u64; 2]>) -> Rows {
        let mut ranges: Vec<[u64; 2]> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut merged: Vec<[u64; 2]> = Vec::new();
        for [first, last] in ranges {
            match merged.last_mut() {
                Some(before) if first <= before[1].saturating_add(1) => before[1] = before[1].max(last),
                _ => merged.push([first, last]),
            }
        }
        Rows(merged)
    }

    /// These rows.
    pub fn of(ids: impl IntoIterator<Item = u64>) -> Rows {
        Rows::new(ids.into_iter().map(|id| [id, id]))
    }

    /// A row is one of them.
    pub fn contains(&self, id: u64) -> bool {
        let after = self.0.partition_point(|[first, _]| *first <= id);
        after > 0 && self.0[after - 1][1] >= id
    }

    /// Number of rows, or the greatest number that there is.
    pub fn len(&self) -> u64 {
        let of = |[first, last]: &[u64; 2]| last.saturating_sub(*first).saturating_add(1);
        self.0.iter().map(of).fold(0, u64::saturating_add)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As ranges, first and last inclusive, in increasing order.
    pub fn ranges(&self) -> impl Iterator<Item = [u64; 2]> {
        self.0.iter().copied()
    }

    /// Those of both.
    pub fn and(&self, others: &Rows) -> Rows {
        Rows::new(self.ranges().chain(others.ranges()))
    }

    /// Those that belong to the others, too.
    pub fn within(&self, others: &Rows) -> Rows {
        self.without(&self.without(others))
    }

    /// The highest that is lower than this one.
    pub fn before(&self, id: u64) -> Option<u64> {
        let after = self.0.partition_point(|[first, _]| *first < id);
        let [_, last] = *self.0[..after].last()?;
        Some(last.min(id - 1))
    }

    /// Those that do not belong to the others.
    pub fn without(&self, others: &Rows) -> Rows {
        let mut left = Vec::new();
        let mut next = 0;
        for &[first, last] in &self.0 {
            while others.0.get(next).is_some_and(|other| other[1] < first) {
                next += 1;
            }
            let mut from = Some(first);
            for other in others.0[next..].iter().take_while(|other| other[0] <= last) {
                if let Some(begin) = from.filter(|begin| *begin < other[0]) {
                    left.push([begin, other[0] - 1]);
                }
                from = other[1].checked_add(1).filter(|after| *after <= last);
            }
            left.extend(from.map(|begin| [begin, last]));
        }
        Rows(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pghaspec_model::belief::Choices;

    use super::*;

    #[test]
    fn ranges_are_the_sets_that_they_stand_for() {
        let mut choices = Choices::new(1);
        for _ in 0..2000 {
            let mut some = || {
                let count = choices.below(8);
                let ranges = (0..count).map(|_| {
                    let first = choices.below(30);
                    [first, first + choices.below(6)]
                });
                ranges.collect::<Vec<_>>()
            };
            let [one, other] = [some(), some()];
            let all = |rows: &Rows| rows.ranges().flat_map(|[first, last]| first..=last).collect::<Vec<u64>>();
            let set = |ranges: &[[u64; 2]]| ranges.iter().flat_map(|[a, b]| *a..=*b).collect::<BTreeSet<_>>();
            let (rows, others) = (Rows::new(one.clone()), Rows::new(other.clone()));
            let (expected, beyond) = (set(&one), set(&other));
            assert_eq!(all(&rows), expected.iter().copied().collect::<Vec<_>>());
            assert_eq!((rows.len(), rows.is_empty()), (expected.len() as u64, expected.is_empty()));
            assert!((0..40).all(|id| rows.contains(id) == expected.contains(&id)));
            assert_eq!(Rows::of(all(&rows)), rows);
            let left: Vec<u64> = expected.difference(&beyond).copied().collect();
            let mut growing = Growing::default();
            one.iter().for_each(|range| growing.insert(*range));
            assert_eq!(growing.rows(), rows, "{one:?}");
            assert!((0..40).all(|id| growing.contains(id) == expected.contains(&id)));
            let both: Vec<u64> = expected.union(&beyond).copied().collect();
            assert_eq!(all(&rows.and(&others)), both);
            let common: Vec<u64> = expected.intersection(&beyond).copied().collect();
            assert_eq!(all(&rows.within(&others)), common);
            assert!((0..40).all(|id| rows.before(id) == expected.range(..id).next_back().copied()));
            assert_eq!(all(&rows.without(&others)), left, "{one:?} without {other:?}");
        }
    }

    #[test]
    fn the_greatest_numbers_are_no_trouble() {
        let all = Rows::new([[0, u64::MAX], [5, 6]]);
        assert_eq!((all.len(), all.contains(u64::MAX)), (u64::MAX, true));
        assert_eq!(all.without(&Rows::of([u64::MAX])).ranges().collect::<Vec<_>>(), [[0, u64::MAX - 1]]);
        let mut growing = Growing::default();
        for range in [[u64::MAX, u64::MAX], [0, 1], [u64::MAX - 1, u64::MAX]] {
            growing.insert(range);
        }
        assert_eq!(growing.ranges(), 2);
    }
}
