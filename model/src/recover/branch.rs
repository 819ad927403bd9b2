//! The branches of `recover()`: the rows of its decision table, and the message that an agent logs in each.

use serde::{Deserialize, Serialize};

use crate::rules::edition::Words;

vocabulary! {
    /// The outcome of `recover()`. Rows are numbered as in patroni 2.1.2 `ha.py` 310-363 read from top to bottom; `1b`
    /// came with 3.0.4 and `4a` with 2.1.4.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Branch (
        /// Row of the decision table, or rows.
        pub row: &'static str,
        /// The message, with `{remote}` where releases differ and `{leader}` for the source of a rewind.
        template: &'static str,
    ) {
        FailOver = "fail-over",
            "give up the lock, somebody else takes over", row: "1",
            template: "stopped PostgreSQL to fail over after a crash";
        StartPrimary = "start-primary",
            "start the crashed primary again, as a primary", row: "1b",
            template: "starting primary after failure";
        CrashRecovery = "crash-recovery",
            "crash recovery in single-user mode", row: "2",
            template: "doing crash recovery in a single user mode";
        StartReadOnly = "start-read-only",
            "the lock is held: start read-only and be promoted later", row: "3",
            template: "starting as readonly because i had the session lock";
        CrashRecoveryBeforeRewind = "crash-recovery-before-rewind",
            "crash recovery in single-user mode because pg_rewind needs a clean shutdown", row: "4a",
            template: "doing crash recovery in a single user mode";
        Rewind = "rewind",
            "pg_rewind", row: "4, 7",
            template: "running pg_rewind from {leader}";
        Reinitialize = "reinitialize",
            "wipe the data directory and copy the leader's", row: "5",
            template: "reinitializing due to diverged timelines";
        StartSecondary = "start-secondary",
            "start as a standby of the leader, if there is one", row: "6, 10",
            template: "starting as a secondary";
        StartStandbyLeader = "start-standby-leader",
            "start as the leader of a standby cluster", row: "8",
            template: "starting as a standby leader because i had the session lock";
        FollowRemote = "follow-remote",
            "the standby cluster has no leader: follow the remote primary", row: "9",
            template: "trying to follow a remote {remote} because standby cluster is unhealthy";
    }
}

impl Branch {
    /// The agent's words; the source of a rewind is filled in by
    /// [`Decision::message`](super::decision::Decision::message).
    pub fn message(self, words: Words) -> String {
        let remote = match words {
            Words::Master => "master",
            Words::Member => "member",
        };
        self.template().replace("{remote}", remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of `recover()` beside the listing finds the listing's message at each decision.
    #[test]
    fn the_message_of_each_branch_stands_in_recover() {
        let source = include_str!("mod.rs");
        let quoted: Vec<_> =
            source.lines().filter_map(|line| Some((line, line.split_once("// '")?.1.strip_suffix('\'')?))).collect();
        for branch in Branch::ALL {
            let message = branch.message(Words::Master);
            assert!(quoted.iter().any(|(_, words)| *words == message), "{message:?} is not quoted");
        }
        for (line, words) in quoted {
            let says = |branch: &Branch| branch.message(Words::Master) == words;
            let said: Vec<_> = Branch::ALL.into_iter().filter(says).collect();
            assert!(!said.is_empty(), "no branch says {words:?}");
            let named = line.split_once("Branch::").map(|(_, rest)| rest.split([')', ';', ',']).next().unwrap_or(rest));
            assert!(named.is_none_or(|name| said.iter().any(|branch| format!("{branch:?}") == name)), "{line}");
        }
    }
}
