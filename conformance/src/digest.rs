//! SHA-256 digests in hexadecimal digits, by which files and specifications are named.

use std::io;
use std::io::Read;

use sha2::{Digest, Sha256};

/// SHA-256 of bytes, 64 hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of all that a reader gives, and the number of its bytes.
///
/// # Errors
/// It cannot be read.
pub fn of_reader(mut reader: impl Read) -> io::Result<(String, u64)> {
    let mut digest = Sha256::new();
    let bytes = io::copy(&mut reader, &mut digest)?;
    Ok((hex(&digest.finalize()), bytes))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_sixty_four_digits() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_eq!(of_reader(&b"abc"[..]).unwrap(), (sha256("abc"), 3));
        assert!(sha256("").starts_with("e3b0c44298fc1c14") && sha256("").len() == 64);
    }
}
