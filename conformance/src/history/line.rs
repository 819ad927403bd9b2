//! One line of `events.jsonl` and its two readers: a fast one for plain lines, and the derived one for all others.
//!
//! Reading dominates the judging of a long history. A line that the lab writes is plain: every field once, each of its
//! type, none that does not belong to the kind. The fast reader makes an event of it in one pass. Any other line is
//! read by the derived readers of [`Event`], whose word is final: they know the problem of a line, or that there is
//! none. A test holds both readers to the same events.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{
    Event, FORMAT, KeyChange, Kind, Leadership, Phase, Process, ServerState, Session, Source, WITH_AUTHORITY,
    WITH_CONTROL, WITH_DEATHS, WITH_DISK_STALLED, WITH_GAP_REASON, WITH_STARVED, Watchdog, WriteResult,
};
use pghaspec_model::vocabulary::fault::Fault;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a line, without its newline; the error is what is wrong with it.
pub fn read(line: &[u8]) -> Result<Event, String> {
    match plain(line) {
        Some(event) => Ok(event),
        None => by_the_book(line),
    }
}

/// Reads a line of any kind, or says what is wrong with it.
fn by_the_book(line: &[u8]) -> Result<Event, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("is not a JSON object: {error}"))?;
    match value.get("v").and_then(Value::as_u64) {
        Some(version) if (1..=u64::from(FORMAT)).contains(&version) => {}
        Some(version) if version > u64::from(FORMAT) => {
            return Err(format!(
                "is of format {version}, and this pghaspec reads up to format {FORMAT}; judge it with a newer one"
            ));
        }
        _ => return Err("is not an event: it has no format version `v`".into()),
    }
    let event: Event = Event::deserialize(&value).map_err(|error| format!("is not an event: {error}"))?;
    let since = match event.kind {
        Kind::Starved { .. } => WITH_STARVED,
        Kind::DiskStalled => WITH_DISK_STALLED,
        Kind::ChildKilled { .. } | Kind::OutOfMemory { .. } | Kind::NodeEnded { .. } | Kind::NoSpace => WITH_DEATHS,
        _ => 1,
    };
    if event.v < since {
        return Err(format!("kind: a history of format {} has no such events", event.v));
    }
    match unknown_field(&value, &event).or_else(|| newer_field(&event).map(str::to_owned)) {
        Some(field) => Err(format!("{field}: such an event has no such field")),
        None => Ok(event),
    }
}

/// The first key of a line that no field of the event has read.
fn unknown_field(line: &Value, event: &Event) -> Option<String> {
    let read = serde_json::to_value(event).ok()?;
    // A field that is absent may be written as null.
    line.as_object()?
        .iter()
        .find(|(key, value)| !value.is_null() && read.get(key).is_none())
        .map(|(key, _)| key.clone())
}

/// A field that events of its format do not have yet.
fn newer_field(event: &Event) -> Option<&'static str> {
    let control =
        matches!(event.kind, Kind::Server { control: Some(_), .. } | Kind::ProcessExited { control: Some(_), .. });
    let reason = matches!(event.kind, Kind::Gap { reason: Some(_), .. });
    let control = (control && event.v < WITH_CONTROL).then_some("control");
    let authority = if event.v < WITH_AUTHORITY { of_authority(event) } else { None };
    control.or((reason && event.v < WITH_GAP_REASON).then_some("reason")).or(authority)
}

/// A field that tells of an agent without a key in etcd, or without an edition.
fn of_authority(event: &Event) -> Option<&'static str> {
    match &event.kind {
        _ if event.source == Source::Authority => Some("source"),
        Kind::Server { state: ServerState::ReadOnlyPrimary, .. } => Some("state"),
        Kind::Run(run) => {
            let fields = [
                ("leadership", run.leadership != Leadership::Lease),
                ("claims", run.claims.is_some()),
                ("recovers_s", run.recovers_s.is_some()),
            ];
            fields.into_iter().find_map(|(field, is_there)| is_there.then_some(field))
        }
        _ => None,
    }
}

/// The kinds that are read in one pass.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tag {
    Phase,
    Fault,
    Watchdog,
    LeaderKey,
    ProcessStarted,
    ProcessExited,
    Server,
    Write,
    Recover,
    Said,
    ReadBack,
}

/// The fields of all these kinds. `Some(None)` is a field that is there and null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    v: u32,
    seq: u64,
    at: [u64; 2],
    node: Option<String>,
    source: Source,
    kind: Tag,
    phase: Option<Phase>,
    fault: Option<Fault>,
    #[serde(default, deserialize_with = "there")]
    effect: Option<Option<String>>,
    change: Option<Change>,
    timeout_s: Option<u32>,
    #[serde(default, deserialize_with = "there")]
    holder: Option<Option<String>>,
    revision: Option<i64>,
    lease: Option<i64>,
    what: Option<Process>,
    pid: Option<u32>,
    argv: Option<Vec<String>>,
    #[serde(default, deserialize_with = "there")]
    code: Option<Option<i32>>,
    #[serde(default, deserialize_with = "there")]
    signal: Option<Option<i32>>,
    state: Option<ServerState>,
    #[serde(default, deserialize_with = "there")]
    timeline: Option<Option<u32>>,
    #[serde(default, deserialize_with = "there")]
    lsn: Option<Option<u64>>,
    #[serde(default, deserialize_with = "there")]
    streaming: Option<Option<bool>>,
    control: Option<ControlFile>,
    id: Option<u64>,
    session: Option<Session>,
    result: Option<WriteResult>,
    error: Option<String>,
    branch: Option<Branch>,
    message: Option<String>,
    pattern: Option<String>,
    /// Of what was read back; the rows of a batch are read by the book.
    rows: Option<Vec<[u64; 2]>>,
}

/// The change of a leader key or of a watchdog: the two kinds share the field, and no word.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Present,
    Created,
    Overwritten,
    Deleted,
    Expired,
    Armed,
    Disarmed,
    Abandoned,
    Fired,
}

impl Change {
    fn of_key(self) -> Option<KeyChange> {
        match self {
            Change::Present => Some(KeyChange::Present),
            Change::Created => Some(KeyChange::Created),
            Change::Overwritten => Some(KeyChange::Overwritten),
            Change::Deleted => Some(KeyChange::Deleted),
            Change::Expired => Some(KeyChange::Expired),
            _ => None,
        }
    }

    fn of_watchdog(self) -> Option<Watchdog> {
        match self {
            Change::Armed => Some(Watchdog::Armed),
            Change::Disarmed => Some(Watchdog::Disarmed),
            Change::Abandoned => Some(Watchdog::Abandoned),
            Change::Fired => Some(Watchdog::Fired),
            _ => None,
        }
    }
}

/// Tells a field that is null from one that is not there.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The event of a line, if it is plain.
fn plain(line: &[u8]) -> Option<Event> {
    // The derived readers take a list of values for an object.
    if line.first() != Some(&b'{') {
        return None;
    }
    let mut plain: Plain = serde_json::from_slice(line).ok()?;
    let of_authority = plain.source == Source::Authority || plain.state == Some(ServerState::ReadOnlyPrimary);
    if !(1..=FORMAT).contains(&plain.v)
        || plain.v < WITH_CONTROL && plain.control.is_some()
        || plain.v < WITH_AUTHORITY && of_authority
    {
        return None;
    }
    let node = plain.node.take();
    let kind = plain.kind()?;
    // What is left belongs to another kind.
    plain.is_empty().then_some(Event { v: plain.v, seq: plain.seq, at: plain.at, node, source: plain.source, kind })
}

impl Plain {
    /// Takes the fields of the kind.
    fn kind(&mut self) -> Option<Kind> {
        Some(match self.kind {
            Tag::Phase => Kind::Phase { phase: self.phase.take()? },
            Tag::Fault => Kind::Fault { fault: self.fault.take()?, effect: self.effect.take()? },
            Tag::Watchdog => {
                Kind::Watchdog { change: self.change.take()?.of_watchdog()?, timeout_s: self.timeout_s.take() }
            }
            Tag::LeaderKey => Kind::LeaderKey {
                change: self.change.take()?.of_key()?,
                holder: self.holder.take()?,
                revision: self.revision.take()?,
                lease: self.lease.take()?,
            },
            Tag::ProcessStarted => {
                Kind::ProcessStarted { what: self.what.take()?, pid: self.pid.take()?, argv: self.argv.take()? }
            }
            Tag::ProcessExited => Kind::ProcessExited {
                what: self.what.take()?,
                pid: self.pid.take()?,
                code: self.code.take()?,
                signal: self.signal.take()?,
                control: self.control.take(),
            },
            Tag::Server => Kind::Server {
                state: self.state.take()?,
                timeline: self.timeline.take()?,
                lsn: self.lsn.take()?,
                streaming: self.streaming.take()?,
                control: self.control.take(),
            },
            Tag::Write => Kind::Write {
                id: self.id.take()?,
                session: self.session.take()?,
                result: self.result.take()?,
                error: self.error.take(),
            },
            Tag::Recover => Kind::Recover { branch: self.branch.take()?, message: self.message.take()? },
            Tag::ReadBack => Kind::ReadBack { rows: self.rows.take()? },
            Tag::Said => Kind::Said { pattern: self.pattern.take()?, message: self.message.take()? },
        })
    }

    /// No field was left by the kind.
    fn is_empty(&self) -> bool {
        let Plain {
            v: _,
            seq: _,
            at: _,
            source: _,
            kind: _,
            node,
            phase,
            fault,
            effect,
            change,
            timeout_s,
            holder,
            revision,
            lease,
            what,
            pid,
            argv,
            code,
            signal,
            state,
            timeline,
            lsn,
            streaming,
            control,
            id,
            session,
            result,
            error,
            branch,
            message,
            pattern,
            rows,
        } = self;
        node.is_none()
            && phase.is_none()
            && fault.is_none()
            && effect.is_none()
            && change.is_none()
            && timeout_s.is_none()
            && holder.is_none()
            && revision.is_none()
            && lease.is_none()
            && what.is_none()
            && pid.is_none()
            && argv.is_none()
            && code.is_none()
            && signal.is_none()
            && state.is_none()
            && timeline.is_none()
            && lsn.is_none()
            && streaming.is_none()
            && control.is_none()
            && id.is_none()
            && session.is_none()
            && result.is_none()
            && error.is_none()
            && branch.is_none()
            && message.is_none()
            && pattern.is_none()
            && rows.is_none()
    }
}
