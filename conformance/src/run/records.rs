//! Records of the agent's image and of the machine, `image.json` and `machine.json`: what a certificate says besides
//! what was judged.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{RunDirError, write};
use crate::input;
use crate::input::InputError;

/// Most bytes of one of these files.
const LONGEST: u64 = 4 << 20;

/// The agent's image, `image.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// Its name.
    pub reference: String,
    /// Its digest, `sha256:…`.
    pub digest: String,
    /// The packages in it, sorted.
    pub packages: Vec<Package>,
    /// The reason why they are not known, or not all of them; `null` if all are.
    pub packages_unknown: Option<String>,
}

/// A package in an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its kind: `dpkg`, `rpm`, `apk` or `python`.
    pub from: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The machine that a run was made on, `machine.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRecord {
    /// Number of processors that the program may use.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Kind of processor, such as `x86_64`.
    pub architecture: String,
    /// Version of the Docker Engine.
    pub docker: String,
    /// Version of this program.
    pub pghaspec: String,
}

impl ImageRecord {
    /// Name of the file.
    pub const FILE: &str = "image.json";

    /// Writes it into the folder of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        write_json(self, &folder.join(ImageRecord::FILE))
    }

    /// Reads it in the folder of a run; `None` if the run did not get as far.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn read(folder: &Path) -> Result<Option<ImageRecord>, InputError> {
        read_json(&folder.join(ImageRecord::FILE))
    }
}

impl MachineRecord {
    /// Name of the file.
    pub const FILE: &str = "machine.json";

    /// Writes it into the folder of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        write_json(self, &folder.join(MachineRecord::FILE))
    }

    /// Reads it in the folder of a run; `None` if the run did not get as far.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn read(folder: &Path) -> Result<Option<MachineRecord>, InputError> {
        read_json(&folder.join(MachineRecord::FILE))
    }
}

/// Writes a document of a run.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_json(record: &impl Serialize, file: &Path) -> Result<(), RunDirError> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error.into()))?;
    write(file, &(text + "\n"))
}

/// Reads a document of a run; `None` if it is not there.
///
/// # Errors
/// It is damaged.
pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, InputError> {
    if file.symlink_metadata().is_err() {
        return Ok(None);
    }
    serde_json::from_str(&input::read_up_to(file, LONGEST)?).map(Some).map_err(|error| {
        InputError::of_file(file, format!("is damaged: {error}"), "use the folder as `pghaspec certify` left it")
            .at_line(error.line())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ImageRecord::read(folder.path()).unwrap(), None);
        let package = Package { from: "dpkg".into(), name: "postgresql-17".into(), version: "17.6-1".into() };
        let image = ImageRecord {
            reference: "agent:1".into(),
            digest: "sha256:00".into(),
            packages: vec![package],
            packages_unknown: None,
        };
        image.write(folder.path()).unwrap();
        assert_eq!(ImageRecord::read(folder.path()).unwrap(), Some(image));
        std::fs::write(folder.path().join(MachineRecord::FILE), "{\"cpus\": 2}").unwrap();
        assert!(MachineRecord::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
    }
}
