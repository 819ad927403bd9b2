//! The fields of a packed state: their bits, and the writer and the reader of a word.

use crate::recover::dialogue::Task;

use super::wal::Record;
use super::*;

// All of these are in the order of declaration: the packed value is the number of the variant.
pub(super) const SERVERS: [Server; 7] = [
    Server::Down,
    Server::Starting,
    Server::Standby,
    Server::Primary,
    Server::SingleUser,
    Server::Rewinding,
    Server::Copying,
];
pub(super) const REACHES: [Reach; 3] = [Reach::Both, Reach::NoReplies, Reach::Nothing];
pub(super) const ROLES: [Role; 4] = [Role::Primary, Role::Replica, Role::Demoted, Role::StandbyLeader];
pub(super) const HEALTHS: [Health; 3] = [Health::Running, Health::Crashed, Health::Stopped];
pub(super) const REWINDS: [Rewind; 6] =
    [Rewind::Initial, Rewind::Check, Rewind::Need, Rewind::NotNeed, Rewind::Success, Rewind::Failed];
pub(super) const RECORDS: [Record; 4] = [Record::Commit, Record::Acknowledged, Record::Promotion, Record::Checkpoint];
pub(super) const TASKS: [Task; 8] = [
    Task::CrashRecovery,
    Task::StartPrimary,
    Task::Follow,
    Task::Rewind,
    Task::Reinitialize,
    Task::Promote,
    Task::FollowAfterDemotion,
    Task::Requested,
];
/// The places in a cycle outside of `recover()`.
pub(super) const PLACES: [At; 8] =
    [At::Idle, At::Lead, At::Granted, At::LongAction, At::StartingUp, At::Compare, At::Rewinding, At::Race];

/// The index of a place in [`PLACES`].
#[inline]
pub(super) fn outside_of_recover(at: At) -> usize {
    match at {
        At::Idle => 0,
        At::Lead => 1,
        At::Granted => 2,
        At::LongAction => 3,
        At::StartingUp => 4,
        At::Compare => 5,
        At::Rewinding => 6,
        At::Race => 7,
        At::Recover(_) | At::Released(_) => unreachable!("these are inside"),
    }
}

/// The number of WAL records that fit into a word.
pub(super) const PACKED_RECORDS: usize = 10;

/// Packs fields of a few bits one after the other.
pub(super) struct Writer {
    pub(super) bits: u64,
    pub(super) used: u32,
}

impl Writer {
    #[inline]
    pub(super) fn put(&mut self, value: usize, width: u32) {
        if value >= 1 << width {
            does_not_fit(value, width);
        }
        self.bits |= (value as u64) << self.used;
        self.used += width;
        debug_assert!(self.used <= 64, "a word has 64 bits");
    }
}

#[cold]
#[inline(never)]
fn does_not_fit(value: usize, width: u32) -> ! {
    panic!("{value} does not fit into {width} bits");
}

/// Unpacks the fields in the same order.
pub(super) struct Reader {
    pub(super) bits: u64,
}

impl Reader {
    #[inline]
    pub(super) fn take(&mut self, width: u32) -> usize {
        let value = (self.bits & ((1 << width) - 1)) as usize;
        self.bits >>= width;
        value
    }

    #[inline]
    pub(super) fn flag(&mut self) -> bool {
        self.take(1) == 1
    }
}

/// A node or nobody, in two bits.
#[inline]
pub(super) fn node_bits(id: Option<NodeId>) -> usize {
    id.map_or(3, usize::from)
}

#[inline]
pub(super) fn node_of(value: usize) -> Option<NodeId> {
    (value != 3).then_some(value as NodeId)
}

#[inline]
pub(super) fn put_sync(out: &mut Writer, sync: Option<SyncKey>) {
    out.put(usize::from(sync.is_some()), 1);
    out.put(node_bits(sync.map(|key| key.leader)), 2);
    out.put(node_bits(sync.and_then(|key| key.standby)), 2);
}

#[inline]
pub(super) fn take_sync(bits: &mut Reader) -> Option<SyncKey> {
    let there = bits.flag();
    let (leader, standby) = (node_of(bits.take(2)), node_of(bits.take(2)));
    leader.filter(|_| there).map(|leader| SyncKey { leader, standby })
}

#[inline]
pub(super) fn take_stalled(bits: &mut Reader) -> Option<Stalled> {
    let node = bits.take(2).checked_sub(1)? as NodeId;
    Some(Stalled {
        node,
        leader: node_of(bits.take(2)),
        session: bits.flag(),
        sync: take_sync(bits),
        status: bits.take(4) as u8,
        history: bits.take(5) as u8,
    })
}

#[inline]
pub(super) fn put_slot(out: &mut Writer, slot: Option<Slot>) {
    out.put(slot.map_or(0, |slot| 1 + 2 * slot.task as usize + usize::from(slot.begun)), 5);
}

#[inline]
pub(super) fn take_slot(bits: &mut Reader) -> Option<Slot> {
    let value = bits.take(5).checked_sub(1)?;
    Some(Slot { task: TASKS[value / 2], begun: value % 2 == 1 })
}

#[inline]
pub(super) fn put_upstream(out: &mut Writer, upstream: Upstream) {
    out.put(
        match upstream {
            Upstream::Member(id) => usize::from(id),
            Upstream::Nobody => 3,
            Upstream::Remote => 4,
        },
        3,
    );
}

#[inline]
pub(super) fn take_upstream(bits: &mut Reader) -> Upstream {
    match bits.take(3) {
        3 => Upstream::Nobody,
        4 => Upstream::Remote,
        id => Upstream::Member(id as NodeId),
    }
}
