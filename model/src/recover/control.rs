//! The control file of a data directory: the two lines of `pg_controldata` that tell whose data it is and how its
//! server ended.
//!
//! `recover()` asks for the state (`Database cluster state`), the judge also for the system (`Database system
//! identifier`).

use serde::{Deserialize, Serialize};

/// State recorded in `global/pg_control` (PostgreSQL `src/include/catalog/pg_control.h`, `DBState`).
///
/// The eighth, "absent", is a failed `pg_controldata`: an [`Option`] around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlState {
    /// `starting up`
    StartingUp,
    /// `shut down`
    ShutDown,
    /// `shut down in recovery`
    ShutDownInRecovery,
    /// `shutting down`
    ShuttingDown,
    /// `in crash recovery`
    InCrashRecovery,
    /// `in archive recovery`
    InArchiveRecovery,
    /// `in production`
    InProduction,
}

impl ControlState {
    /// All states, in the order of `DBState`.
    pub const ALL: [ControlState; 7] = [
        ControlState::StartingUp,
        ControlState::ShutDown,
        ControlState::ShutDownInRecovery,
        ControlState::ShuttingDown,
        ControlState::InCrashRecovery,
        ControlState::InArchiveRecovery,
        ControlState::InProduction,
    ];

    /// The words of `pg_controldata`.
    pub fn text(self) -> &'static str {
        match self {
            ControlState::StartingUp => "starting up",
            ControlState::ShutDown => "shut down",
            ControlState::ShutDownInRecovery => "shut down in recovery",
            ControlState::ShuttingDown => "shutting down",
            ControlState::InCrashRecovery => "in crash recovery",
            ControlState::InArchiveRecovery => "in archive recovery",
            ControlState::InProduction => "in production",
        }
    }

    /// A server that wrote as a primary ended without a shutdown checkpoint.
    pub fn is_unclean_primary(self) -> bool {
        matches!(self, ControlState::InProduction | ControlState::ShuttingDown | ControlState::InCrashRecovery)
    }
}

/// The two fields of `global/pg_control` that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlFile {
    /// The system identifier: `initdb` draws it, and all copies of a cluster have it. Written as text, which no reader
    /// rounds.
    #[serde(with = "as_text")]
    pub system: u64,
    /// The state of the cluster.
    pub state: ControlState,
}

impl ControlFile {
    /// Bytes that [`ControlFile::read`] looks at.
    pub const LENGTH: usize = 20;

    /// The beginning of the file: `system_identifier`, two versions, `state`. Nothing, if that is no control file of
    /// this machine's kind.
    pub fn read(file: &[u8]) -> Option<ControlFile> {
        let system = u64::from_ne_bytes(file.get(..8)?.try_into().ok()?);
        let state = u32::from_ne_bytes(file.get(16..ControlFile::LENGTH)?.try_into().ok()?);
        Some(ControlFile { system, state: *ControlState::ALL.get(usize::try_from(state).ok()?)? })
    }
}

mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format_args!("`{text}` is no system identifier")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_read_and_written() {
        let mut file = 7_577_123_456_789_012_345_u64.to_ne_bytes().to_vec();
        file.extend([0; 8]);
        file.extend(6_u32.to_ne_bytes());
        let control = ControlFile { system: 7_577_123_456_789_012_345, state: ControlState::InProduction };
        assert_eq!(ControlFile::read(&file), Some(control));
        assert_eq!(ControlFile::read(&file[..19]), None);
        file[16..].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(ControlFile::read(&file), None);
        let text = r#"{"system":"7577123456789012345","state":"in-production"}"#;
        assert_eq!(serde_json::to_string(&control).unwrap(), text);
        assert_eq!(serde_json::from_str::<ControlFile>(text).unwrap(), control);
        assert!(serde_json::from_str::<ControlFile>(r#"{"system":"x","state":"in-production"}"#).is_err());
    }
}
