//! Single bytes that change: each file of a run's folder is covered, and each byte of it counts.

use std::collections::BTreeSet;
use std::fs;

use crate::sample::{failing, pghaspec};

/// Corruptions unless `PGHASPEC_CORRUPTIONS` says otherwise: each is a whole `verify`.
const DEFAULT: u64 = 120;

#[test]
fn every_byte_of_every_file_counts() {
    let count = std::env::var("PGHASPEC_CORRUPTIONS").map_or(DEFAULT, |text| text.parse().unwrap());
    let sample = failing();
    let keys = tempfile::tempdir().unwrap();
    let [secret, public] = ["secret", "public"].map(|name| keys.path().join(name).display().to_string());
    assert_eq!(pghaspec(&["sign", "--generate", &public, "--secret-key", &secret]).status.code(), Some(0));
    assert_eq!(pghaspec(&["sign", sample.path(), "--secret-key", &secret]).status.code(), Some(0));
    assert_eq!(sample.verify(&[]).0, 0);
    let files = sample.files();
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % limit as u64).unwrap()
    };
    let mut covered = BTreeSet::new();
    for number in 0..count {
        // Each file in turn, so that small ones are not forgotten.
        let file = &files[usize::try_from(number).unwrap() % files.len()];
        let path = sample.folder.join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let place = below(bytes.len());
        let old = bytes[place];
        bytes[place] = match below(3) {
            0 => old ^ 1,
            1 => old ^ (1 << below(8)),
            _ => u8::try_from(below(256)).unwrap(),
        };
        if bytes[place] == old {
            bytes[place] ^= 0x20;
        }
        fs::write(&path, &bytes).unwrap();
        let (code, document) = sample.verify(&[]);
        assert!(matches!(code, 1 | 2), "{file}, byte {place}, {old} to {}: {code} {document:#}", bytes[place]);
        fs::write(&path, &whole).unwrap();
        covered.insert(file);
    }
    assert!(covered.len() == files.len() || count < files.len() as u64, "{} of {}", covered.len(), files.len());
    assert_eq!(sample.verify(&[]).0, 0, "all is as it was");
}

#[test]
fn a_file_more_or_less_is_told() {
    let sample = failing();
    for file in sample.files() {
        let path = sample.folder.join(&file);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let (code, document) = sample.verify(&[]);
        assert!(matches!(code, 1 | 2), "{file}: {code} {document:#}");
        fs::write(&path, whole).unwrap();
    }
    for strange in ["notes.txt", "leader-postmaster-killed/more.jsonl", "other/events.jsonl", ".hidden"] {
        let path = sample.folder.join(strange);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let (code, document) = sample.verify(&[]);
        assert_eq!(code, 1, "{strange}: {document:#}");
        fs::remove_file(&path).unwrap();
    }
}
