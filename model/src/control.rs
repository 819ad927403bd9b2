//! `Database cluster state`, as `pg_controldata` prints it.

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
    /// All of them, in the order of `DBState`.
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
