//! The event vocabulary: everything that an outside observer can see of a cluster.
//!
//! The lab records events, a user's incident log is turned into events, and every action of the model says which events
//! it shows. A history is a file `events.jsonl`, one JSON object a line:
//!
//! ```json
//! {"v":7,"seq":7,"at":[1200345,1200412],"node":"n1","source":"watchdog","kind":"watchdog","change":"fired"}
//! ```
//!
//! | field | meaning |
//! | --- | --- |
//! | `v` | version of the format, the same in all lines of a history: [`FORMAT`] or an older one |
//! | `seq` | order of recording, from 0; says nothing about order of happening |
//! | `at` | `[not_before, not_after]`, ns of the observing host's monotonic clock, zero at the start of the run |
//! | `node` | the node that the event is about; absent for the cluster or the run |
//! | `source` | who saw it, [`Source`] |
//! | `kind` | what was seen, [`Kind`], with the fields of that kind beside it |
//!
//! An observation is never an instant, so `at` is always an interval. What could not be seen is recorded as a
//! [`Kind::Gap`].
//!
//! Older formats stay readable: a new field is optional, no event of an older history has it, and no check asks an
//! older history for what only a newer format can tell. A history of a newer format than the reader's is refused.
//!
//! | format | what it added |
//! | --- | --- |
//! | 1 | |
//! | 2 | [`ControlFile`]: `control` of [`Kind::Server`] and [`Kind::ProcessExited`] |
//! | 3 | [`Kind::Starved`] |
//! | 4 | [`Kind::DiskStalled`] |
//! | 5 | [`GapReason`]: `reason` of [`Kind::Gap`] |
//! | 6 | [`Kind::ChildKilled`], [`Kind::OutOfMemory`], [`Kind::NodeEnded`], [`Kind::NoSpace`] |
//! | 7 | [`Source::Authority`], [`ServerState::ReadOnlyPrimary`], [`Leadership`], claims; an `edition` may be absent |

use serde::{Deserialize, Serialize};

use super::disturbance::Disturbance;
use super::fault::Fault;
pub use super::run::{Configuration, Leadership, Mechanism, Run};
use crate::recover::branch::Branch;
use crate::recover::control::ControlFile;

/// Version of the event format that this crate writes; it reads all from 1 on.
pub const FORMAT: u32 = 7;

/// The first format that tells what the control files say.
pub const WITH_CONTROL: u32 = 2;

/// The first format that tells which processes did not get a CPU.
pub const WITH_STARVED: u32 = 3;

/// The first format that tells when the machine's disk did not answer.
pub const WITH_DISK_STALLED: u32 = 4;

/// The first format that tells by a word what a gap of the harness means for the run.
pub const WITH_GAP_REASON: u32 = 5;

/// The first format that tells of deaths that nobody here caused: of children of a server, of whole nodes, for want of
/// memory; and of a disk without room.
pub const WITH_DEATHS: u32 = 6;

/// The first format for agents that keep no leader lock in etcd, or follow no edition of the specification.
pub const WITH_AUTHORITY: u32 = 7;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the format.
    pub v: u32,
    /// Position in the recording, from 0.
    pub seq: u64,
    /// `[not_before, not_after]`, nanoseconds since the start of the run.
    pub at: [u64; 2],
    /// The node that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The observer.
    pub source: Source,
    /// The observation.
    #[serde(flatten)]
    pub kind: Kind,
}

/// An observer: the part of the lab, or the log, that an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The runner of the scenario: phases, faults, gaps.
    Harness,
    /// The watch on etcd, ordered by revision.
    Etcd,
    /// Whoever else tells who leads, by the manifest's `[leadership]`.
    Authority,
    /// Starts and exits of processes on the node.
    Process,
    /// Read-only probes through fresh connections to Postgres.
    Postgres,
    /// Client writers, whose sessions were opened before the fault or are new.
    Writer,
    /// Lines that the agent logged, found by the patterns of its manifest.
    AgentLog,
    /// The watchdog device of a node.
    Watchdog,
}

impl Source {
    /// It tells who leads.
    pub fn tells_who_leads(self) -> bool {
        matches!(self, Source::Etcd | Source::Authority)
    }
}

/// The processes whose starts and exits are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// `postgres -D …`, the server.
    Postmaster,
    /// `postgres --single`, crash recovery in single-user mode.
    SingleUser,
    /// `pg_rewind`.
    PgRewind,
    /// `pg_basebackup`.
    PgBasebackup,
    /// The high-availability agent itself.
    Agent,
}

/// The state in which a probe found Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// Accepts connections and is not in recovery.
    Primary,
    /// Accepts connections and is not in recovery, but sessions begin read-only.
    ReadOnlyPrimary,
    /// Accepts connections and is in recovery.
    Standby,
    /// Answers, but accepts no session yet (SQLSTATE 57P03).
    Starting,
    /// Nothing listens: the connection was refused.
    Refused,
    /// No answer within the probe's deadline, or an answer that says nothing. Never read as "not writable".
    Unknown,
}

impl ServerState {
    /// It accepts sessions.
    pub fn is_up(self) -> bool {
        matches!(self, ServerState::Primary | ServerState::ReadOnlyPrimary | ServerState::Standby)
    }

    /// It accepts sessions and is not in recovery.
    pub fn is_primary(self) -> bool {
        matches!(self, ServerState::Primary | ServerState::ReadOnlyPrimary)
    }
}

/// The end of a client's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteResult {
    /// The server acknowledged the commit.
    Ok,
    /// The server refused it: it certainly did not commit.
    Failed,
    /// The answer was lost: it may or may not have committed.
    Indeterminate,
}

/// The session that a write went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Session {
    /// Opened before the first fault and never reopened.
    Held,
    /// Opened for this write, or reopened after the fault.
    Fresh,
}

/// A change of a node's watchdog. Keepalives are not told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watchdog {
    /// The agent opened it: it is armed, and fires when no keepalive comes within its timeout.
    Armed,
    /// The agent closed it with the magic character: it is not armed any more.
    Disarmed,
    /// The agent's end closed it without the magic character: it stays armed, and nobody keeps it alive.
    Abandoned,
    /// No keepalive came in time: it resets the node. All that runs there ends at once.
    Fired,
}

/// A change of the leader key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChange {
    /// Found at the start of the watch.
    Present,
    /// Created where there was none.
    Created,
    /// Written over an existing key.
    Overwritten,
    /// Deleted by a client.
    Deleted,
    /// Removed because its lease ended. Only said when the lease is known to have ended; a plain removal is `Deleted`.
    Expired,
}

/// The phases of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Containers are started; the agent bootstraps the cluster.
    Bootstrap,
    /// One leader, every other node streams from it, writers hold their sessions.
    Ready,
    /// Faults are injected from here on.
    Fault,
    /// Faults are over; what was broken is repaired.
    Heal,
    /// One leader again and every other node streams, or the wait for it was given up (a [`Kind::Gap`] says so).
    Settled,
    /// Writers have stopped; every node is read back.
    ReadBack,
    /// Nothing more is recorded.
    End,
}

/// An observation, with the fields of its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// First event of a history: what was run, with which agent and settings.
    Run(Box<Run>),
    /// A phase of the run began.
    Phase {
        /// The phase.
        phase: Phase,
    },
    /// A fault was injected.
    Fault {
        /// The fault, in the vocabulary of the model.
        fault: Fault,
        /// The evidence that it took effect; `None` if there is none, and then the run proves nothing.
        effect: Option<String>,
    },
    /// A benign fault was inflicted. It must change nothing, which is why the model mostly knows nothing of it.
    Disturbance {
        /// The benign fault.
        disturbance: Disturbance,
        /// The evidence that it was done; `None` if there is none, and then the run proves nothing.
        effect: Option<String>,
    },
    /// Something happened to a node's watchdog.
    Watchdog {
        /// The change.
        change: Watchdog,
        /// The timeout that it is armed with, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_s: Option<u32>,
    },
    /// The leader key in etcd changed, or another authority names another leader.
    LeaderKey {
        /// The change.
        change: KeyChange,
        /// The holder after the change.
        holder: Option<String>,
        /// etcd revision of the change; of another authority the number of its change, which grows.
        revision: i64,
        /// Lease that the key is attached to, 0 for none.
        lease: i64,
    },
    /// A process started.
    ProcessStarted {
        /// The kind of process.
        what: Process,
        /// Its process id on the observing host.
        pid: u32,
        /// Its command line.
        argv: Vec<String>,
    },
    /// A process ended.
    ProcessExited {
        /// The kind of process.
        what: Process,
        /// Its process id on the observing host.
        pid: u32,
        /// Exit code, when it exited by itself.
        code: Option<i32>,
        /// Signal, when one ended it.
        signal: Option<i32>,
        /// The control file of its data directory just after that, where it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<ControlFile>,
    },
    /// A signal that ends a process at once ended a child of a server, such as a backend, while the server itself was
    /// there.
    ChildKilled {
        /// The server, its process id on the observing host.
        postmaster: u32,
        /// The child, its process id on the observing host.
        pid: u32,
        /// The signal.
        signal: i32,
    },
    /// The kernel killed processes of a node for want of memory, at some time in `at`: it counts them.
    OutOfMemory {
        /// Their number in that time.
        kills: u32,
    },
    /// The first process of a node ended, and with it all that ran there.
    NodeEnded {
        /// The exit code that the container has had since.
        code: Option<i32>,
        /// The containers' engine says that a process of the node was killed for want of memory.
        out_of_memory: bool,
    },
    /// There was no room on the disk that the nodes' data are on: a small write of the observer's own was refused. `at`
    /// spans from the last write that went through to the last one that was refused.
    NoSpace,
    /// A process that could run had to wait for a CPU for long: the machine had no time for it. `at` spans the wait.
    Starved {
        /// The kind of process.
        what: Process,
        /// Its process id on the observing host.
        pid: u32,
        /// The time that it waited, at once or bit by bit, nanoseconds. Waits of less than half a second in a second
        /// are not told.
        waited_ns: u64,
    },
    /// The disk that the nodes' data are on did not answer: `at` spans the wait for a small write of the observer's
    /// own. Waits of less than half a second are not told.
    DiskStalled,
    /// A probe found Postgres in a state. Recorded when the finding differs from the one before, and once for each
    /// phase.
    Server {
        /// The state.
        state: ServerState,
        /// Timeline of the WAL being written (primary) or replayed (standby).
        timeline: Option<u32>,
        /// WAL position in bytes: inserted (primary) or replayed (standby).
        lsn: Option<u64>,
        /// A standby's WAL receiver streams; `None` for a primary.
        streaming: Option<bool>,
        /// Its control file, where the server could be asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<ControlFile>,
    },
    /// A client's write ended. `at` spans from its start to its end.
    Write {
        /// Unique number of the row.
        id: u64,
        /// The session that it went through.
        session: Session,
        /// The result.
        result: WriteResult,
        /// The server's words, for what is not `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A procedure that commits row after row, without waiting for its disk or for a standby, reported its progress.
    /// `at` spans from its last report, by the server's clock, to the commit of these rows. The report says that they
    /// are committed on this node, and no more.
    Batch {
        /// Numbers of the rows that it committed in that time, inclusive. They are attempted in increasing order.
        rows: [u64; 2],
        /// `ok` for what it reported, `indeterminate` for all that it would have written after its last report.
        result: WriteResult,
    },
    /// The agent said what it does about its dead Postgres.
    Recover {
        /// The branch of `recover` that the words belong to.
        branch: Branch,
        /// The words themselves.
        message: String,
    },
    /// The agent said something else that its manifest names.
    Said {
        /// The name that the manifest gives it.
        pattern: String,
        /// The words themselves.
        message: String,
    },
    /// All rows that a node holds, read after everything settled.
    ReadBack {
        /// Numbers of the rows, as inclusive ranges in increasing order.
        rows: Vec<[u64; 2]>,
    },
    /// Something was not observed.
    Gap {
        /// The observer.
        of: Source,
        /// The cause, and what follows from it, in a sentence for people.
        why: String,
        /// The meaning for the run, where a check asks that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<GapReason>,
    },
}

/// The meaning of a gap of the harness for the run. Sentences may be reworded; verdicts hang on these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The event that a step awaits did not come in time: that step and those after it were not taken.
    StepNotTaken,
    /// All nodes were seen, and the cluster was not healthy again in the time that it had.
    NotSettled,
    /// The cluster was not seen to be healthy for long enough, and by the last that was seen of each node it may have
    /// been.
    SettledTooLateToTell,
}
