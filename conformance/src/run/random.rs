//! Random digits, of which the names of runs and the tokens of locks are made: two machines that begin a run at the
//! same moment get different ones.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::digest::hex;

/// So many hexadecimal digits that nobody can foretell.
///
/// # Errors
/// The kernel has no randomness yet.
pub fn random_digits(count: usize) -> io::Result<String> {
    let mut bytes = vec![0u8; count.div_ceil(2)];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    let mut digits = hex(&bytes);
    digits.truncate(count);
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_differ() {
        let [one, other] = [12, 12].map(|count| random_digits(count).unwrap());
        assert_eq!((one.len(), random_digits(5).unwrap().len()), (12, 5));
        assert_ne!(one, other);
    }
}
