//! Sets of intervals, and the search for those that meet another one.
//!
//! A long history has too many of them to look at each of them time and again.

/// Intervals in the order in which they begin, each with its place in the order in which they were given.
pub struct Intervals {
    sorted: Vec<([u64; 2], usize)>,
    /// The latest end of all up to each.
    reach: Vec<u64>,
}

impl Intervals {
    /// Of these, begin and end inclusive.
    pub fn new(intervals: impl IntoIterator<Item = [u64; 2]>) -> Intervals {
        let mut sorted: Vec<([u64; 2], usize)> =
            intervals.into_iter().enumerate().map(|(place, interval)| (interval, place)).collect();
        sorted.sort_unstable();
        let mut latest = 0;
        let reach = sorted.iter().map(|([_, end], _)| {
            latest = latest.max(*end);
            latest
        });
        let reach = reach.collect();
        Intervals { sorted, reach }
    }

    /// Places of those that have a moment in common with this one, in the order in which they were given.
    pub fn meeting(&self, [from, to]: [u64; 2]) -> Vec<usize> {
        let begun = self.sorted.partition_point(|([begin, _], _)| *begin <= to);
        let mut places = Vec::new();
        for index in (0..begun).rev() {
            if self.reach[index] < from {
                break;
            }
            let ([_, end], place) = self.sorted[index];
            if end >= from {
                places.push(place);
            }
        }
        places.sort_unstable();
        places
    }
}

/// The place of the first value, in a list in whatever order, that is no less than another one.
pub struct FirstFrom(Vec<u64>);

impl FirstFrom {
    /// Of this list.
    pub fn new(values: impl IntoIterator<Item = u64>) -> FirstFrom {
        let mut highest = 0;
        let reach = values.into_iter().map(|value| {
            highest = highest.max(value);
            highest
        });
        FirstFrom(reach.collect())
    }

    /// Its place; the length of the list, if there is none.
    pub fn place(&self, least: u64) -> usize {
        self.0.partition_point(|highest| *highest < least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_list_that_is_no_less_is_found() {
        let values = [3, 1, 7, 7, 2, 9];
        let list = FirstFrom::new(values);
        for least in 0..12 {
            let expected = values.iter().position(|value| *value >= least).unwrap_or(values.len());
            assert_eq!(list.place(least), expected, "{least}");
        }
    }

    #[test]
    fn intervals_that_meet_are_found_in_their_order() {
        let intervals = Intervals::new([[5, 9], [0, 100], [1, 2], [9, 9], [20, 30]]);
        for (asked, expected) in [
            ([9, 9], vec![0, 1, 3]),
            ([10, 19], vec![1]),
            ([2, 5], vec![0, 1, 2]),
            ([30, 40], vec![1, 4]),
            ([101, 200], vec![]),
            ([0, 0], vec![1]),
        ] {
            assert_eq!(intervals.meeting(asked), expected, "{asked:?}");
        }
    }
}
