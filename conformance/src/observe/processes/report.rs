//! The reports of the helper that sees the processes of the machine, one line each.

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::Mechanism;
use serde::Deserialize;

/// One line of the helper.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Report {
    /// The helper observes from now on.
    Ready {
        /// `proc-connector`, or `polling`, which sees less.
        mechanism: Mechanism,
    },
    /// A program was started.
    Exec {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace, when it could be read.
        pidns: Option<u64>,
        /// Path of the program.
        exe: Option<String>,
        /// Command line.
        argv: Vec<String>,
    },
    /// A process whose start was reported ended.
    Exit {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace.
        pidns: Option<u64>,
        /// Exit code.
        code: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
        /// The contents of the control file of its data directory after that.
        #[serde(default)]
        control: Option<ControlFile>,
    },
    /// A process was gone before anything but its name could be read. Reported at its end.
    Unread {
        /// The time of its start, CLOCK_MONOTONIC.
        at: [u64; 2],
        /// The time of its end, CLOCK_MONOTONIC.
        exit_at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace, or of its parent's.
        pidns: Option<u64>,
        /// Name of its program, cut to 15 bytes.
        comm: Option<String>,
        /// Nanoseconds between start and end.
        lived_ns: u64,
        /// Nanoseconds of these that it was on a CPU.
        #[serde(default)]
        ran_ns: Option<u64>,
        /// Exit code.
        code: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
    },
    /// A process that could run waited for a CPU.
    Starved {
        /// The interval in which it waited, CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace.
        pidns: Option<u64>,
        /// Nanoseconds that it waited.
        waited_ns: u64,
    },
    /// A child of a process whose start was reported was ended by a signal, and its parent was there.
    Killed {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Its parent's.
        parent: u32,
        /// Inode of their PID namespace.
        pidns: Option<u64>,
        /// Signal that ended it.
        signal: i32,
    },
    /// The kernel has killed processes for want of memory.
    Oom {
        /// The interval in which it did, CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Inode of the PID namespace of other processes in the same control group.
        pidns: Option<u64>,
        /// Number of processes.
        kills: u32,
    },
    /// There was no room on the disk for a write of the helper itself.
    Full {
        /// The interval, CLOCK_MONOTONIC.
        at: [u64; 2],
    },
    /// A write of the helper itself waited for the disk.
    Stalled {
        /// The interval of the wait, CLOCK_MONOTONIC.
        at: [u64; 2],
    },
    /// Something may have been missed.
    Gap {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// The reason.
        why: String,
        /// Inode of the PID namespace whose processes alone were missed.
        #[serde(default)]
        pidns: Option<u64>,
    },
    /// A trap was set, or struck.
    Trap(TrapReport),
    /// The helper is still there; reported each second.
    Alive {
        /// The time of the report, CLOCK_MONOTONIC.
        monotonic_ns: u64,
        /// Bytes that are left on the disk under the containers.
        #[serde(default)]
        disk_free: Option<u64>,
    },
}

impl Report {
    /// For a report on a process whose PID namespace is known: the namespace, and the beginning of what is reported,
    /// CLOCK_MONOTONIC.
    pub fn place(&self) -> Option<(u64, u64)> {
        match self {
            Report::Exec { pidns, at, .. }
            | Report::Exit { pidns, at, .. }
            | Report::Unread { pidns, at, .. }
            | Report::Starved { pidns, at, .. }
            | Report::Killed { pidns, at, .. }
            | Report::Oom { pidns, at, .. }
            | Report::Gap { pidns, at, .. } => pidns.map(|pidns| (pidns, at[0])),
            Report::Ready { .. }
            | Report::Full { .. }
            | Report::Stalled { .. }
            | Report::Trap(_)
            | Report::Alive { .. } => None,
        }
    }
}

/// A report on a trap: a signal that the helper sends to a process when that starts.
#[derive(Clone, Debug, Deserialize)]
pub struct TrapReport {
    /// Its name.
    pub id: String,
    /// The event in the life of the trap.
    pub change: Change,
    /// Just before and after the signal was sent, CLOCK_MONOTONIC.
    pub at: Option<[u64; 2]>,
    /// The process that was hit, its id on the host.
    pub pid: Option<u32>,
    /// State of the process after that, `T` for stopped.
    pub state: Option<String>,
}

/// The events in the life of a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The trap is laid.
    Set,
    /// The trap is taken away.
    Unset,
    /// The trap has sent its signal.
    Struck,
    /// The process was gone before the signal could be sent.
    Missed,
}
