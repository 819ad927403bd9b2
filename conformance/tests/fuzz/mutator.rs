//! Mutations of an input: bytes, words, numbers and lines are changed, doubled, moved, cut and mixed with others.

/// Most bytes of an input.
pub const MOST: usize = 1 << 17;

/// Numbers at the ends of what types can hold.
const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "2",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e999",
    "0.5",
];

/// Pseudorandom numbers, the same for the same seed (splitmix64 by Sebastiano Vigna).
pub struct Lot(pub u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }
}

/// An input with one to five changes.
pub fn mutated(lot: &mut Lot, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=lot.below(5) {
        change(lot, &mut bytes, other, words);
        bytes.truncate(MOST);
    }
    bytes
}

/// A part of an input: its begin and its end.
fn part(lot: &mut Lot, bytes: &[u8], longest: usize) -> (usize, usize) {
    let begin = lot.below(bytes.len() + 1);
    let end = (begin + lot.below(longest.min(bytes.len()) + 1)).min(bytes.len());
    (begin, end)
}

fn change(lot: &mut Lot, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = lot.below(bytes.len() + 1);
    match lot.below(15) {
        0 if !bytes.is_empty() => {
            let last = input_end(bytes);
            bytes[at.min(last)] ^= 1 << lot.below(8);
        }
        1 if !bytes.is_empty() => {
            let last = input_end(bytes);
            bytes[at.min(last)] = lot.below(256) as u8;
        }
        2 => bytes.insert(at, lot.below(256) as u8),
        3 => {
            let (begin, end) = part(lot, bytes, 64);
            bytes.drain(begin..end);
        }
        4 => {
            let (begin, end) = part(lot, bytes, 256);
            let block = bytes[begin..end].to_vec();
            let times = [1, 2, 3, 10, 100, 1000][lot.below(6)];
            let times = times.min(MOST / block.len().max(1));
            bytes.splice(at..at, block.repeat(times));
        }
        5 => bytes.truncate(at),
        6 | 7 if !words.is_empty() => {
            let word = words[lot.below(words.len())].as_bytes();
            let end = (at + lot.below(word.len() + 1)).min(bytes.len());
            bytes.splice(at..end, word.iter().copied());
        }
        8 | 9 => number(lot, bytes),
        10 => {
            let (begin, end) = part(lot, other, 4096);
            bytes.splice(at..at, other[begin..end].iter().copied());
        }
        11 => lines(lot, bytes, other),
        12 => lines(lot, bytes, other),
        13 => {
            let odd: &[&[u8]] =
                &[b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\"", b"'", b"\\", b"{{", b"}}", b"..", b"/"];
            bytes.splice(at..at, odd[lot.below(odd.len())].iter().copied());
        }
        _ => {
            let (begin, end) = part(lot, bytes, 32);
            bytes[begin..end].reverse();
        }
    }
}

fn input_end(bytes: &[u8]) -> usize {
    bytes.len() - 1
}

/// Another number in the place of one.
fn number(lot: &mut Lot, bytes: &mut Vec<u8>) {
    let is_digit = |place: &usize| bytes[*place].is_ascii_digit();
    let begins: Vec<usize> =
        (0..bytes.len()).filter(is_digit).filter(|place| *place == 0 || !bytes[*place - 1].is_ascii_digit()).collect();
    let Some(begin) = begins.get(lot.below(begins.len())).copied() else { return };
    let end = (begin..bytes.len()).find(|place| !bytes[*place].is_ascii_digit()).unwrap_or(bytes.len());
    let number = NUMBERS[lot.below(NUMBERS.len())];
    bytes.splice(begin..end, number.bytes());
}

/// Lines are left out, doubled, swapped, or taken from another input.
fn lines(lot: &mut Lot, bytes: &mut Vec<u8>, other: &[u8]) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (one, two) = (lot.below(lines.len()), lot.below(lines.len()));
    match lot.below(4) {
        _ if lines.is_empty() => {}
        0 => {
            lines.remove(one);
        }
        1 => lines.insert(two, lines[one]),
        2 => lines.swap(one, two),
        _ => {
            let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
            lines.extend(others.get(lot.below(others.len())));
            let last = lines.len() - 1;
            lines.swap(one, last);
        }
    }
    *bytes = lines.concat();
}
