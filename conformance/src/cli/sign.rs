//! `pghaspec sign`: stands for the certificate of a run with a key, once it verifies.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::verify::verify;
use super::{Failure, print};
use crate::certificate;
use crate::certificate::signature::{self, PASSWORD};
use crate::input;
use crate::run::contents::{MOST_BYTES, SIGNATURE};
use crate::run::error::{RunDirError, write};

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a run, with certificate.json in it.
    #[arg(value_name = "DIR", required_unless_present = "generate")]
    folder: Option<PathBuf>,
    /// The secret key, of minisign or of --generate. The variable PGHASPEC_KEY_PASSWORD holds its password.
    #[arg(long, value_name = "FILE")]
    secret_key: PathBuf,
    /// Make a pair of keys instead: the secret one in the file of --secret-key, the public one in this file. With
    /// PGHASPEC_KEY_PASSWORD the secret one has a password.
    #[arg(long, value_name = "PUBLIC", conflicts_with = "folder")]
    generate: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let password = std::env::var(PASSWORD).ok().filter(|password| !password.is_empty());
    if let Some(public) = &args.generate {
        let sealed = password.is_some();
        let (secret_text, public_text) = signature::generate(password).map_err(Failure::environment)?;
        create(&args.secret_key, &secret_text, 0o600)?;
        if let Err(failure) = create(public, &public_text, 0o644) {
            // A secret key without its public one is of no use, and was made a moment ago.
            let _ = std::fs::remove_file(&args.secret_key);
            return Err(failure);
        }
        let without = if sealed { "" } else { ", which has no password: set PGHASPEC_KEY_PASSWORD for one" };
        let words = format!("secret key: {}{without}\npublic key: {}", args.secret_key.display(), public.display());
        print(false, &(), || words)?;
        return Ok(0);
    }
    let Some(folder) = &args.folder else { return Err(Failure::usage("name the folder of a run")) };
    let secret = input::read_up_to(&args.secret_key, signature::MOST_BYTES)?;
    let verification = verify_unsigned(folder)?;
    if !verification.is_empty() {
        return Err(Failure::denied(format!(
            "{}: is not what it says, and is not signed:\n  {verification}",
            folder.display()
        )));
    }
    let text = input::read_up_to(&folder.join(certificate::FILE), MOST_BYTES)?;
    let signed = signature::sign(&text, &secret, password)
        .map_err(|why| Failure::usage(format!("{}: {why}", args.secret_key.display())))?;
    write(&folder.join(SIGNATURE), &signed)?;
    print(false, &(), || format!("signed: {}", folder.join(SIGNATURE).display()))?;
    Ok(0)
}

/// The objections to a certificate, but for its old signature, which is about to be replaced; empty if there are none.
fn verify_unsigned(folder: &Path) -> Result<String, Failure> {
    let verification = verify(folder, None)?;
    let prefix = format!("{SIGNATURE}: ");
    let others: Vec<&str> =
        verification.objections.iter().map(String::as_str).filter(|line| !line.starts_with(&prefix)).collect();
    Ok(others.join("\n  "))
}

/// Makes a file that is not there yet: no key is ever written over.
fn create(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = made.and_then(|mut open| open.write_all(text.as_bytes()));
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let problem = format!("{}: is there already, and no key is written over", file.display());
            Err(Failure::usage(format!("{problem}; help: name another file, or move it away")))
        }
        Err(error) => Err(RunDirError::new(format!("writing {}", file.display()), error).into()),
        Ok(()) => Ok(()),
    }
}
