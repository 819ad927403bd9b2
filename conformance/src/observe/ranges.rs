//! Row numbers as inclusive ranges.

/// Puts numbers together to inclusive ranges in increasing order. Numbers may come in any order and more than once.
pub fn ranges(mut numbers: Vec<u64>) -> Vec<[u64; 2]> {
    numbers.sort_unstable();
    let mut ranges: Vec<[u64; 2]> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if number <= last[1].saturating_add(1) => last[1] = last[1].max(number),
            _ => ranges.push([number, number]),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_put_together() {
        assert_eq!(ranges(vec![]), Vec::<[u64; 2]>::new());
        assert_eq!(ranges(vec![7]), [[7, 7]]);
        assert_eq!(ranges(vec![3, 1, 2, 9, 8, 3]), [[1, 3], [8, 9]]);
        assert_eq!(ranges(vec![u64::MAX, u64::MAX - 1]), [[u64::MAX - 1, u64::MAX]]);
    }
}
