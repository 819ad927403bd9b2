//! The environment of the comparison: Python, a release, and the packages that it imports. They are installed once into
//! a cache, and from then on used without the network.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

use super::stderr::{PipFailure, of_pip};
use super::{DiffError, ErrorKind};
use crate::digest::hex;
use crate::fixtures;

/// The oldest Python that the harness runs on.
const OLDEST_PYTHON: (u32, u32) = (3, 9);

/// Environment variable that names the Python to use.
pub const PYTHON_VARIABLE: &str = "PGHASPEC_PYTHON";
/// Environment variable that names another cache.
pub const CACHE_VARIABLE: &str = "PGHASPEC_CACHE";

/// The folders of the releases, and the Python that runs them.
#[derive(Clone, Debug)]
pub struct Environment {
    python: PathBuf,
    cache: PathBuf,
    imports: PathBuf,
}

impl Environment {
    /// Finds Python, and installs the packages that all releases import, unless they are there.
    ///
    /// # Errors
    /// There is no Python that is new enough, or pip cannot install the packages.
    pub fn prepare() -> Result<Environment, DiffError> {
        let (python, version) = python()?;
        let requirements = fixtures::oracle().join("requirements.txt");
        let wanted = fs::read(&requirements).map_err(|error| {
            let message = format!(
                "reading {}: {error}; is {} the fixtures folder?",
                requirements.display(),
                fixtures::root().display()
            );
            DiffError::new(ErrorKind::Environment, message).caused_by(error)
        })?;
        let digest = hex(&Sha256::digest(&wanted)[..6]);
        let cache = cache()?;
        let imports = cache.join(format!("imports-python{}.{}-{digest}", version.0, version.1));
        let environment = Environment { python, cache, imports };
        let arguments = [OsStr::new("--requirement"), requirements.as_os_str()];
        environment.install(&environment.imports, &arguments, "what the releases import")?;
        Ok(environment)
    }

    /// The folder of a release, which is installed unless it is there.
    ///
    /// # Errors
    /// There is no such release, or pip cannot install it.
    pub fn release(&self, release: &str) -> Result<PathBuf, DiffError> {
        let well_formed = release.split('.').count() > 1
            && release.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        if !well_formed {
            let message = format!("`{release}` is not a release of patroni: give a version such as 4.1.5");
            return Err(DiffError::new(ErrorKind::Usage, message));
        }
        let folder = self.cache.join(format!("patroni-{release}"));
        let requirement = format!("patroni=={release}");
        self.install(&folder, &[OsStr::new("--no-deps"), OsStr::new(&requirement)], &format!("patroni {release}"))?;
        Ok(folder)
    }

    /// The command `python oracle.py`, which finds a release and the packages that it imports.
    pub fn command(&self, release: &Path) -> Command {
        let mut command = Command::new(&self.python);
        let harness = fixtures::oracle();
        let found = [release.to_path_buf(), self.imports.clone(), harness.clone(), harness.join("stubs")];
        let path = std::env::join_paths(found).unwrap_or_default();
        // Nothing of the user's own Python gets in, and nothing is written beside the sources.
        command.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONHASHSEED", "0");
        command.env_remove("PYTHONHOME").arg("-s").arg(harness.join("oracle.py"));
        command
    }

    /// Installs into a folder beside the wanted one and renames it, so that a folder that is there is whole.
    fn install(&self, folder: &Path, what: &[&OsStr], name: &str) -> Result<(), DiffError> {
        if folder.is_dir() {
            return Ok(());
        }
        let trouble = |doing: &str, error: std::io::Error| {
            let message = format!(
                "{doing}: {error}; help: free some space, make it writable, or name another folder in {CACHE_VARIABLE}"
            );
            DiffError::new(ErrorKind::Environment, message).caused_by(error)
        };
        let beside = self.cache.join(format!(
            ".{}-{}",
            folder.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        ));
        fs::create_dir_all(&self.cache)
            .map_err(|error| trouble(&format!("creating {}", self.cache.display()), error))?;
        eprintln!("installing {name} into {} …", folder.display());
        let installed = Command::new(&self.python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"])
            .args(["--no-warn-conflicts", "--root-user-action=ignore", "--target"])
            .arg(&beside)
            .args(what)
            // A folder of wheels that is named there may lack these.
            .env_remove("PIP_FIND_LINKS")
            .output()
            .map_err(|error| trouble(&format!("running {} -m pip", self.python.display()), error))?;
        if !installed.status.success() {
            let _ = fs::remove_dir_all(&beside);
            return Err(refused(name, &installed));
        }
        match fs::rename(&beside, folder) {
            Ok(()) => Ok(()),
            // Another run was faster.
            Err(_) if folder.is_dir() => fs::remove_dir_all(&beside).map_err(|error| trouble("tidying up", error)),
            Err(error) => Err(trouble(&format!("renaming {}", beside.display()), error)),
        }
    }
}

/// The error of an installation that failed, by the words of pip.
fn refused(name: &str, output: &Output) -> DiffError {
    let words = String::from_utf8_lossy(&output.stderr);
    let (line, failure) = of_pip(&words);
    let help = match failure {
        PipFailure::NoSuchRelease => {
            return DiffError::new(ErrorKind::Usage, format!("there is no {name} in the package index ({line})"));
        }
        PipFailure::NoPip => "install pip for this Python".to_owned(),
        PipFailure::Disk => format!(
            "free some space, make it writable, or name another folder in {CACHE_VARIABLE}; pip also needs its TMPDIR"
        ),
        PipFailure::Other => {
            "is the package index reachable? pip's own settings apply (PIP_INDEX_URL, PIP_CERT, proxies)".to_owned()
        }
    };
    // An error of the disk is told once for each file.
    let told: String = line.chars().take(300).collect();
    DiffError::new(ErrorKind::Environment, format!("pip could not install {name}: {told}; help: {help}"))
}

/// The path of the Python that is used, and its version.
///
/// # Errors
/// There is none, or it is too old.
pub fn python() -> Result<(PathBuf, (u32, u32)), DiffError> {
    let python = PathBuf::from(std::env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into()));
    let version = version(&python)?;
    Ok((python, version))
}

fn version(python: &Path) -> Result<(u32, u32), DiffError> {
    let environment = |message: String| DiffError::new(ErrorKind::Environment, message);
    let shown =
        Command::new(python).args(["-c", "import sys; print(*sys.version_info[:2])"]).output().map_err(|error| {
            environment(format!(
                "running {}: {error}; help: install Python 3, or name one in {PYTHON_VARIABLE}",
                python.display()
            ))
            .caused_by(error)
        })?;
    let words = String::from_utf8_lossy(&shown.stdout);
    let numbers: Vec<u32> = words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[major, minor] = &numbers[..] else {
        return Err(environment(format!(
            "{} does not say which Python it is: {}",
            python.display(),
            String::from_utf8_lossy(&shown.stderr).trim()
        )));
    };
    if (major, minor) < OLDEST_PYTHON {
        return Err(environment(format!(
            "{} is Python {major}.{minor}, and the comparison needs {}.{} or newer; help: name one in \
             {PYTHON_VARIABLE}",
            python.display(),
            OLDEST_PYTHON.0,
            OLDEST_PYTHON.1
        )));
    }
    Ok((major, minor))
}

fn cache() -> Result<PathBuf, DiffError> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = named(CACHE_VARIABLE)
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("pghaspec")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/pghaspec")));
    let root = root.ok_or_else(|| {
        let message = format!("there is no folder for the cache; help: set {CACHE_VARIABLE} or HOME");
        DiffError::new(ErrorKind::Environment, message)
    })?;
    Ok(root.join("oracle"))
}
