//! The signature of a certificate, `certificate.json.minisig`: who stands for it. Without one a certificate is
//! consistent with itself, and anybody can have made all of it.
//!
//! Signatures are those of [minisign](https://jedisct1.github.io/minisign/), whose own program makes and checks them as
//! well.

use std::fmt;
use std::io::Cursor;

pub use minisign::PublicKey;
use minisign::{KeyPair, PError, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};

use crate::digest::sha256;

/// Variable of the environment with the password of a secret key.
pub const PASSWORD: &str = "PGHASPEC_KEY_PASSWORD";

/// Most bytes of a file with a key or a signature.
pub const MOST_BYTES: u64 = 8 << 10;

/// Characters of 64 bytes in base64, the last two of them `=`.
const GLOBAL: usize = 88;

/// The comment that the signature does not cover.
const UNTRUSTED: &str = "signature of a pghaspec certificate";

/// The beginning of the comment that it covers.
const TRUSTED: &str = "pghaspec certificate sha256:";

/// The reason why a key or a signature is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSignature(pub String);

impl fmt::Display for BadSignature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BadSignature {}

fn bad(problem: impl fmt::Display) -> BadSignature {
    BadSignature(problem.to_string())
}

/// A pair of keys, as the texts of their files: the secret one, then the public one. With a password the secret key is
/// of no use without it.
///
/// # Errors
/// The machine has no randomness.
pub fn generate(password: Option<String>) -> Result<(String, String), BadSignature> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let KeyPair { pk, sk } = pair.map_err(bad)?;
    let secret = sk.to_box(Some("secret key of pghaspec certificates")).map_err(bad)?.into_string();
    Ok((secret, pk.to_box().map_err(bad)?.into_string()))
}

/// The signature of a certificate's text, with the text of a secret key's file.
///
/// # Errors
/// The key is damaged, or the password is missing or wrong.
pub fn sign(certificate: &str, secret: &str, password: Option<String>) -> Result<String, BadSignature> {
    let damaged = |error| bad(format!("is no secret key: {error}"));
    let key = SecretKeyBox::from_string(secret).map_err(damaged)?;
    let open = SecretKey::from_unencrypted_box(SecretKeyBox::from_string(secret).map_err(damaged)?);
    let key = match (open, password) {
        (Ok(key), _) => key,
        (Err(error), Some(password)) if is_sealed(&error) => key
            .into_secret_key(Some(password))
            .map_err(|error| bad(format!("cannot be opened with the password in {PASSWORD}: {error}")))?,
        (Err(error), None) if is_sealed(&error) => {
            return Err(bad(format!("has a password: set {PASSWORD}")));
        }
        (Err(error), _) => return Err(damaged(error)),
    };
    let public = PublicKey::from_secret_key(&key).map_err(damaged)?;
    let comment = trusted(certificate, &public);
    let signature = minisign::sign(Some(&public), &key, Cursor::new(certificate), Some(&comment), Some(UNTRUSTED));
    Ok(signature.map_err(bad)?.into_string())
}

/// The error is that of a key with a password. The library has no kind of its own for it.
fn is_sealed(error: &PError) -> bool {
    error.to_string().contains("might be encrypted")
}

/// The comment that a signature covers: the digest of the certificate, and the key, so that a signature can be checked
/// by itself.
fn trusted(certificate: &str, key: &PublicKey) -> String {
    format!("{TRUSTED}{} by key {}", sha256(certificate), key.to_base64())
}

/// Checks the text of a signature's file against a certificate and a public key.
///
/// # Errors
/// The signature is not this key's over this certificate.
pub fn check(certificate: &str, signature: &str, public: &PublicKey) -> Result<(), BadSignature> {
    checked(certificate, signature, public)
}

/// Checks a signature that names its key by itself, and returns that key. Nobody has said that it is to be trusted.
/// `None` if it names none, as those of minisign's own program: without the key nothing can be said of it.
///
/// # Errors
/// It is not that key's over this certificate, or is no signature.
pub fn check_itself(certificate: &str, signature: &str) -> Result<Option<String>, BadSignature> {
    let parsed = parse(signature)?;
    let comment = parsed.trusted_comment().map_err(bad)?;
    let untrusted = parsed.untrusted_comment().map_err(bad)?;
    if !comment.starts_with(TRUSTED) && untrusted != UNTRUSTED {
        return Ok(None);
    }
    let by = comment.rsplit_once(" by key ").filter(|_| untrusted == UNTRUSTED);
    let Some(key) = by.and_then(|(_, key)| PublicKey::from_base64(key).ok()) else {
        return Err(bad("has comments that `pghaspec sign` does not write"));
    };
    if comment != trusted(certificate, &key) {
        return Err(bad("is of another certificate"));
    }
    checked(certificate, signature, &key)?;
    Ok(Some(key.to_base64()))
}

/// The key in the text of a public key's file, or in its second line alone.
///
/// # Errors
/// It is no public key.
pub fn public_key(text: &str) -> Result<PublicKey, BadSignature> {
    let boxed = PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key);
    boxed.or_else(|_| PublicKey::from_base64(text.trim())).map_err(|error| bad(format!("is no public key: {error}")))
}

fn checked(certificate: &str, signature: &str, key: &PublicKey) -> Result<(), BadSignature> {
    let parsed = parse(signature)?;
    minisign::verify(key, &parsed, Cursor::new(certificate), true, false, false)
        .map_err(|error| bad(format!("is not this key's over this certificate: {error}")))
}

/// A signature that is written in the one way in which it can be.
fn parse(text: &str) -> Result<SignatureBox, BadSignature> {
    // Of the last line, the library takes the first 64 bytes for granted, and does not look at more.
    let last = text.lines().nth(3).unwrap_or_default();
    if last.len() != GLOBAL || !last.ends_with("==") {
        return Err(bad("is no signature: its last line is not of 64 bytes"));
    }
    let parsed = SignatureBox::from_string(text).map_err(|error| bad(format!("is no signature: {error}")))?;
    parsed.trusted_comment().map_err(|error| bad(format!("is no signature: {error}")))?;
    match parsed.to_string() == text.replace("\r\n", "\n") {
        true => Ok(parsed),
        false => Err(bad("is no signature as minisign writes it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "{\"verdict\": \"pass\"}\n";

    /// With the text of a public key's file.
    fn check(certificate: &str, signature: &str, public: &str) -> Result<(), BadSignature> {
        super::check(certificate, signature, &public_key(public)?)
    }

    #[test]
    fn a_signature_is_good_for_one_key_and_one_certificate() {
        let (secret, public) = generate(None).unwrap();
        let signature = sign(CERTIFICATE, &secret, None).unwrap();
        check(CERTIFICATE, &signature, &public).unwrap();
        check(CERTIFICATE, &signature, public.lines().nth(1).unwrap()).unwrap();
        let key = check_itself(CERTIFICATE, &signature).unwrap().unwrap();
        assert!(public.contains(&key));
        let other = CERTIFICATE.replace("pass", "fail");
        assert!(check(&other, &signature, &public).is_err() && check_itself(&other, &signature).is_err());
        let (_, stranger) = generate(None).unwrap();
        assert!(check(CERTIFICATE, &signature, &stranger).is_err());
        assert!(check(CERTIFICATE, &signature, "untrusted comment: x\nnothing\n").is_err());
    }

    #[test]
    fn every_byte_of_a_signature_counts() {
        let (secret, _) = generate(None).unwrap();
        let signature = sign(CERTIFICATE, &secret, None).unwrap();
        for place in 0..signature.len() {
            let mut bytes = signature.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(check_itself(CERTIFICATE, &text).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_signature_that_is_cut_short_is_none() {
        let (secret, public) = generate(None).unwrap();
        let signature = sign(CERTIFICATE, &secret, None).unwrap();
        let lines: Vec<&str> = signature.lines().collect();
        for last in ["", "QZ6AbKk5H0Lyk==", &lines[3][8..], &format!("{}AAAA", &lines[3][..84]), &lines[3].repeat(2)] {
            let short = format!("{}\n{}\n{}\n{last}\n", lines[0], lines[1], lines[2]);
            assert!(check(CERTIFICATE, &short, &public).is_err(), "{last}");
            assert!(check_itself(CERTIFICATE, &short).is_err(), "{last}");
        }
    }

    #[test]
    fn a_password_is_asked_for() {
        let (secret, public) = generate(Some("open sesame".into())).unwrap();
        assert!(sign(CERTIFICATE, &secret, None).unwrap_err().to_string().contains(PASSWORD));
        assert!(sign(CERTIFICATE, &secret, Some("wrong".into())).is_err());
        let signature = sign(CERTIFICATE, &secret, Some("open sesame".into())).unwrap();
        check(CERTIFICATE, &signature, &public).unwrap();
        assert!(sign(CERTIFICATE, "nothing", None).unwrap_err().to_string().contains("no secret key"));
    }
}
