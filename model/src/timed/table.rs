//! The table of answers about time, which is kept with the sources: for many times and editions, whether two leaders
//! exclude each other, and how long a failover takes.

use serde::{Deserialize, Serialize};

use crate::rules::edition::Edition;

use super::{MOST, Timed, Timing, check_failover, check_one_leader, crash, partition};

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "about")]
pub enum Row {
    /// The question whether two nodes are ever writable while one is cut off.
    OneWritableLeader {
        /// The id of the edition.
        edition: String,
        /// Ticks.
        loop_wait: u8,
        /// Ticks.
        retry_timeout: u8,
        /// Ticks.
        ttl: u8,
        /// Ticks that clocks may lose.
        drift: u8,
        /// `loop_wait + 2*retry_timeout + drift <= ttl`
        rule: bool,
        /// The number of distinct states.
        states: usize,
        /// The number of states after which behaviours were not explored further.
        cut_short: usize,
        /// The number of steps, ticks included, of a shortest counterexample; `None` if the property holds.
        broken: Option<usize>,
    },
    /// The question how long a failover takes.
    FailoverBound {
        /// The id of the edition.
        edition: String,
        /// Ticks.
        loop_wait: u8,
        /// Ticks.
        retry_timeout: u8,
        /// Ticks.
        start_timeout: u8,
        /// The DCS may take up to `retry_timeout` to answer.
        slow_dcs: bool,
        /// Ticks that it may take.
        bound: u8,
        /// Ticks that it takes at most; `None` if that is more than [`MOST`].
        worst: Option<u8>,
        /// The number of distinct states.
        states: usize,
        /// The number of steps, ticks included, of a shortest counterexample; `None` if the bound holds.
        broken: Option<usize>,
    },
}

/// A question of [`Row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The question of [`Row::OneWritableLeader`].
    OneWritableLeader(Edition, Timing),
    /// The question of [`Row::FailoverBound`].
    FailoverBound(Edition, Timing),
}

/// The most bytes that the graph of a failover may take.
const GRAPH: usize = 1 << 30;

/// All questions of the table.
pub fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for edition in Edition::ALL {
        let overwrites = matches!(edition, Edition::V2_1_2 | Edition::V3_0_2);
        let around = |timing: Timing| {
            let least = timing.loop_wait + 2 * timing.retry_timeout + timing.drift;
            (least - 1..=least + 1).map(move |ttl| Question::OneWritableLeader(edition, Timing { ttl, ..timing }))
        };
        let shortest = Timing::default();
        if overwrites {
            // By these editions a longer ttl does not help, so the shortest one that keeps the rule is tried, and
            // longer ones.
            let longer = [shortest.ttl, shortest.ttl + 1, shortest.ttl + 2];
            questions.extend(longer.map(|ttl| Question::OneWritableLeader(edition, Timing { ttl, ..shortest })));
        } else {
            questions.extend(around(shortest));
        }
        if edition == Edition::V4_1 {
            for (loop_wait, retry_timeout, drift) in [(1, 2, 0), (2, 1, 0), (2, 2, 0), (3, 1, 0), (1, 1, 1), (2, 1, 1)]
            {
                questions.extend(around(Timing { loop_wait, retry_timeout, drift, ..shortest }));
            }
        }
        for start_timeout in 0..=2 {
            for slow_dcs in [false, true] {
                let timing = Timing { loop_wait: 2, ttl: 6, start_timeout, slow_dcs, ..shortest };
                questions.push(Question::FailoverBound(edition, timing));
            }
        }
    }
    questions
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Question::OneWritableLeader(edition, timing) | Question::FailoverBound(edition, timing)) = self;
        let Timing { loop_wait, retry_timeout, ttl, start_timeout, .. } = timing;
        let about = if matches!(self, Question::FailoverBound(..)) { "failover-bound" } else { "one-writable-leader" };
        write!(
            f,
            "{} {about}: loop_wait {loop_wait}, retry_timeout {retry_timeout}, ttl {ttl}, \
             start timeout {start_timeout}",
            edition.id()
        )
    }
}

impl Question {
    /// Finds the answer with the model.
    ///
    /// # Panics
    /// If a graph does not fit into a gibibyte; the times are small enough for that.
    pub fn answer(self) -> Row {
        match self {
            Question::OneWritableLeader(edition, timing) => {
                let verdict = check_one_leader(&Timed::new(partition(edition), timing), 1, None);
                let Timing { loop_wait, retry_timeout, ttl, drift, .. } = timing;
                Row::OneWritableLeader {
                    edition: edition.id().to_owned(),
                    loop_wait,
                    retry_timeout,
                    ttl,
                    drift,
                    rule: timing.keeps_the_rule(),
                    states: verdict.states,
                    cut_short: verdict.cut_short,
                    broken: verdict.broken.map(|path| path.steps.len()),
                }
            }
            Question::FailoverBound(edition, timing) => {
                let failover = check_failover(&Timed::new(crash(edition), timing), GRAPH).expect("the graph is small");
                let Timing { loop_wait, retry_timeout, start_timeout, slow_dcs, .. } = timing;
                Row::FailoverBound {
                    edition: edition.id().to_owned(),
                    loop_wait,
                    retry_timeout,
                    start_timeout,
                    slow_dcs,
                    bound: failover.bound,
                    worst: failover.worst,
                    states: failover.states,
                    broken: failover.broken.map(|path| path.steps.len()),
                }
            }
        }
    }
}

/// The table in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut rule = String::new();
    let mut bound = String::new();
    for row in rows {
        match row {
            Row::OneWritableLeader {
                edition,
                loop_wait,
                retry_timeout,
                ttl,
                drift,
                rule: kept,
                states,
                cut_short,
                broken,
            } => {
                let verdict = match broken {
                    Some(steps) => format!("**{steps}**"),
                    None if *cut_short > 0 => "not seen".to_owned(),
                    None => "ok".to_owned(),
                };
                let kept = if *kept { "kept" } else { "broken" };
                rule += &format!(
                    "| {edition} | {loop_wait} | {retry_timeout} | {drift} | {ttl} | {kept} | {verdict} | {states} |\n"
                );
            }
            Row::FailoverBound {
                edition,
                loop_wait,
                retry_timeout,
                start_timeout,
                slow_dcs,
                bound: may,
                worst,
                states,
                broken,
            } => {
                let dcs = if *slow_dcs { "slow" } else { "prompt" };
                let worst = worst.map_or(format!("over {MOST}"), |worst| worst.to_string());
                let verdict = broken.map_or("ok".to_owned(), |steps| format!("**{steps}**"));
                bound += &format!(
                    "| {edition} | {loop_wait} | {retry_timeout} | {start_timeout} | {dcs} | {may} | {worst} \
                     | {verdict} | {states} |\n"
                );
            }
        }
    }
    format!(
        "# Answers about time\n\n\
        All times are in ticks. `ok`: holds in every behaviour. A number: broken, and the shortest counterexample\n\
        has so many steps, ticks included. With two nodes; made by `pghaspec check --matrix --write model`, and\n\
        compared by `pghaspec check --matrix`.\n\n\
        ## `loop_wait + 2*retry_timeout <= ttl`\n\n\
        A primary is cut off from the DCS and from the other node, and there is no watchdog. From 3.0.4 on the\n\
        rule, with what clocks may lose on top of it, is exactly what keeps `one-writable-leader`. Before, an\n\
        agent overwrites the other's lock when it is back, and a longer `ttl` does not help. Where the other node\n\
        still reaches the primary that is cut off, a shorter `ttl` would do: the node does not race while it sees\n\
        a primary.\n\n\
        | edition | loop_wait | retry_timeout | drift | ttl | rule | one-writable-leader | states |\n\
        | --- | --- | --- | --- | --- | --- | --- | ---: |\n\
        {rule}\n\
        ## `failover-bound`\n\n\
        The leader's postmaster is killed, and a healthy standby could take over. Documented: a node leads again\n\
        after `loop_wait + primary_start_timeout + loop_wait` at the latest, or after `loop_wait` if the start\n\
        timeout is zero. With a DCS that answers at once this holds from 3.0.4 on, and the second `loop_wait` is\n\
        not needed: the end of the start wakes the agent. Before, single-user recovery came first and had a start\n\
        timeout of its own. With a DCS that takes its time the bound never holds: each request may take up to\n\
        `retry_timeout`.\n\n\
        | edition | loop_wait | retry_timeout | start timeout | DCS | documented | worst | failover-bound | states |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | ---: |\n\
        {bound}"
    )
}

/// The differences between the expected and the found answers, a line each.
pub fn differences(expected: &[Row], found: &[Row]) -> Vec<String> {
    let mut lines: Vec<_> =
        found.iter().filter(|row| !expected.contains(row)).map(|row| format!("not expected: {row:?}")).collect();
    lines.extend(expected.iter().filter(|row| !found.contains(row)).map(|row| format!("expected: {row:?}")));
    lines
}
