//! The rules one by one, as switches, each with the release that turned it.
//!
//! A manifest says by them how its release differs from an edition, and the judge looks for the switch that explains
//! what an agent did.

use super::edition::{LockUpdate, Rules, Words};

/// One rule that a release changed, with its two or three positions.
#[derive(Clone, Copy)]
pub struct Switch {
    /// The name of the field of [`Rules`].
    pub id: &'static str,
    /// The releases that changed it.
    pub since: &'static str,
    /// The words for its positions, as manifests write them.
    pub positions: &'static [&'static str],
    /// Tells the position, as a place in `positions`.
    pub position: fn(&Rules) -> usize,
    /// Puts the rule into a position.
    pub set: fn(&mut Rules, usize),
}

const NO_YES: &[&str] = &["no", "yes"];

macro_rules! yes_or_no {
    ($($field:ident $since:literal),* $(,)?) => {
        [$(Switch {
            id: stringify!($field),
            since: $since,
            positions: NO_YES,
            position: |rules| usize::from(rules.$field),
            set: |rules, position| rules.$field = position == 1,
        }),*]
    };
}

/// The rules that are on or off.
const FLAGS: [Switch; 18] = yes_or_no![
    limits_crash_recovery "2.0.1",
    long_action_heeds_pause "2.0.2",
    candidates_know_sync "2.1.2",
    asks_leader_for_recovery "2.1.2",
    timeline_walk_stops "2.1.3",
    crash_recovery_before_rewind "2.1.4",
    reinitialize_needs_setting "2.1.4",
    update_lock_raises "2.1.6",
    clears_sync_names "3.0.0",
    starts_crashed_primary "3.0.4",
    watchdog_disabled_late "3.0.4",
    lock_before_standby_cluster "3.0.4",
    starts_from_crash_recovery "3.1.0",
    read_only_resets_rewind "3.1.0",
    old_primary_does_not_race "3.1.0",
    primary_stops_race "3.0.3, 3.1.0",
    compares_when_behind "3.3.9, 4.0.8, 4.1.1",
    skips_backup_label "4.1.3",
];

const LOCK_UPDATES: [LockUpdate; 3] =
    [LockUpdate::TrustsKeepalive, LockUpdate::Overwrites, LockUpdate::ComparesAndSwaps];

/// The rules with other positions.
const OTHERS: [Switch; 2] = [
    Switch {
        id: "lock_update",
        since: "2.1.6, 3.0.3",
        positions: &["trusts-keepalive", "overwrites", "compares-and-swaps"],
        position: |rules| LOCK_UPDATES.iter().position(|known| *known == rules.lock_update).unwrap_or(0),
        set: |rules, position| rules.lock_update = LOCK_UPDATES[position],
    },
    Switch {
        id: "words",
        since: "3.0.0",
        positions: &["master", "member"],
        position: |rules| usize::from(rules.words == Words::Member),
        set: |rules, position| rules.words = if position == 1 { Words::Member } else { Words::Master },
    },
];

impl Switch {
    /// All rules that releases changed. Those that are only proposed are not among them.
    pub fn all() -> impl Iterator<Item = Switch> {
        FLAGS.into_iter().chain(OTHERS)
    }

    /// Puts the switch that `text` names into its position, as in `lock_update: compares-and-swaps`.
    ///
    /// # Errors
    /// If there is no such rule or position: a sentence that names those that there are.
    pub fn apply(rules: &mut Rules, text: &str) -> Result<(), String> {
        let (id, wanted) = text.split_once(": ").unwrap_or((text, ""));
        let Some(switch) = Switch::all().find(|switch| switch.id == id) else {
            let known: Vec<_> = Switch::all().map(|switch| switch.id).collect();
            return Err(format!("`{id}` is no rule; the rules are: {}", known.join(", ")));
        };
        let Some(position) = switch.positions.iter().position(|position| *position == wanted) else {
            return Err(format!("`{id}` cannot be `{wanted}`, only: {}", switch.positions.join(", ")));
        };
        (switch.set)(rules, position);
        Ok(())
    }

    /// The word for its position in these rules.
    pub fn words(&self, rules: &Rules) -> &'static str {
        self.positions[(self.position)(rules)]
    }
}
