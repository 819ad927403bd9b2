//! Sets of rows, as ranges of their numbers: clients number them in a row, and there may be millions.

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

    /// Whether a row is one of them.
    pub fn contains(&self, id: u64) -> bool {
        let after = self.0.partition_point(|[first, _]| *first <= id);
        after > 0 && self.0[after - 1][1] >= id
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|[first, last]| last - first + 1).sum()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In increasing order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|[first, last]| *first..=*last)
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
            let set = |ranges: &[[u64; 2]]| ranges.iter().flat_map(|[a, b]| *a..=*b).collect::<BTreeSet<_>>();
            let (rows, others) = (Rows::new(one.clone()), Rows::new(other.clone()));
            let (expected, beyond) = (set(&one), set(&other));
            assert_eq!(rows.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
            assert_eq!((rows.len(), rows.is_empty()), (expected.len() as u64, expected.is_empty()));
            assert!((0..40).all(|id| rows.contains(id) == expected.contains(&id)));
            assert_eq!(Rows::of(rows.iter()), rows);
            let left: Vec<u64> = expected.difference(&beyond).copied().collect();
            assert_eq!(rows.without(&others).iter().collect::<Vec<_>>(), left, "{one:?} without {other:?}");
        }
    }
}
