//! The swim lane of one node: faults, agent, server processes with their roles, writes, and the words of the agent.
//!
//! All that happened on a node at a time stands one below the other, so that cause and effect are seen together.

use pghaspec_model::vocabulary::event::{Event, Kind, Process, ServerState, WriteResult};

use super::canvas::{Canvas, LEFT, Labels};
use super::{HEADLINE, short};
use crate::history::History;
use crate::judge::facts::processes::{Life, lives};

pub const PRIMARY: &str = "#2e7d32";
pub const STANDBY: &str = "#1e88e5";
pub const STARTING: &str = "#b0bec5";
pub const SINGLE_USER: &str = "#ef6c00";
pub const PG_REWIND: &str = "#8e24aa";
pub const PG_BASEBACKUP: &str = "#00838f";
pub const AGENT: &str = "#757575";
pub const ACKNOWLEDGED: &str = "#43a047";
pub const REFUSED: &str = "#c62828";
pub const INDETERMINATE: &str = "#fb8c00";
pub const STARVED: &str = "#d50000";
pub const BOLT: &str = "#ffb300";

/// Heights of the rows of a lane.
const FAULTS: f64 = 20.0;
const AGENT_ROW: f64 = 9.0;
const SERVER: f64 = 22.0;
const WRITES: f64 = 15.0;
const SPACE: f64 = 4.0;

/// A node's lane, laid out.
pub struct Lane<'h> {
    node: &'h str,
    /// The events in the time that is drawn.
    events: Vec<&'h Event>,
    /// The findings of probes, at any time: a role goes on until another is found.
    findings: Vec<([u64; 2], ServerState)>,
    gaps: Vec<[u64; 2]>,
    lives: Vec<Life<'h>>,
    end: u64,
    faults: Labels,
    says: Labels,
}

impl<'h> Lane<'h> {
    /// Lays a node's lane out.
    pub fn of(history: &'h History, node: &'h str, canvas: &Canvas) -> Lane<'h> {
        let mut faults = Labels::default();
        let mut says = Labels::default();
        let events: Vec<&Event> = history
            .events
            .iter()
            .filter(|event| event.node.as_deref() == Some(node) && canvas.shows(event.at))
            .collect();
        let mut in_time = events.clone();
        in_time.sort_by_key(|event| event.at);
        for event in in_time {
            match &event.kind {
                Kind::Fault { fault, .. } => {
                    faults.add(
                        canvas,
                        canvas.x(event.at[0]) + 10.0,
                        "fill=\"#8a4b00\" font-weight=\"bold\"",
                        fault.id(),
                    );
                }
                Kind::Disturbance { disturbance, .. } => {
                    faults.add(canvas, canvas.x(event.at[0]) + 10.0, "fill=\"#8a4b00\"", disturbance.id());
                }
                Kind::Recover { message, .. } | Kind::Said { message, .. } => {
                    let words = short(&format!("“{message}”"), HEADLINE / 2);
                    says.add(canvas, canvas.x(event.at[0]), "fill=\"#333\"", &words);
                }
                Kind::Watchdog { .. } => {
                    says.add(canvas, canvas.x(event.at[0]), "fill=\"#6d4c41\"", &crate::history::describe::what(event));
                }
                _ => {}
            }
        }
        let gaps = history.events.iter().filter(|event| event.node.as_deref().is_none_or(|of| of == node));
        let gaps = gaps.filter_map(|event| match &event.kind {
            // That a cluster did not settle is no blindness.
            Kind::Gap { of, .. } if *of != pghaspec_model::vocabulary::event::Source::Harness => Some(event.at),
            _ => None,
        });
        let findings = history.events.iter().filter_map(|event| match event.kind {
            Kind::Server { state, .. } if event.node.as_deref() == Some(node) => Some((event.at, state)),
            _ => None,
        });
        Lane {
            node,
            events,
            findings: findings.collect(),
            gaps: gaps.collect(),
            lives: lives(history, node),
            end: history.events.iter().map(|event| event.at[1]).max().unwrap_or(0),
            faults,
            says,
        }
    }

    /// Its height.
    pub fn height(&self) -> f64 {
        FAULTS + self.faults.height().max(12.0) - 12.0
            + AGENT_ROW
            + SERVER
            + WRITES
            + 3.0 * SPACE
            + self.says.height()
            + 6.0
    }

    /// Draws it below `top`.
    pub fn draw(&self, canvas: &mut Canvas, top: f64) {
        canvas.line([12.0, top], [canvas.right(), top], "stroke=\"#bdbdbd\"");
        let agent = top + FAULTS + self.faults.height().max(12.0) - 12.0;
        let server = agent + AGENT_ROW + SPACE;
        let writes = server + SERVER + SPACE;
        canvas.text(12.0, server + 15.0, "font-weight=\"bold\" font-size=\"13\"", self.node);
        for (y, words) in [(agent + 8.0, "agent"), (server + 15.0, "postgres"), (writes + 11.0, "writes")] {
            canvas.text(LEFT - 6.0, y, "fill=\"#888\" font-size=\"9\" text-anchor=\"end\"", words);
        }
        for gap in &self.gaps {
            canvas.bar(*gap, agent, writes + WRITES - agent, "fill=\"url(#unseen)\" fill-opacity=\"0.5\"");
        }
        for life in &self.lives {
            match life.what {
                Process::Agent => self.life(canvas, life, agent, AGENT_ROW, AGENT),
                Process::Postmaster => self.postmaster(canvas, life, server),
                Process::SingleUser => self.life(canvas, life, server, SERVER, SINGLE_USER),
                Process::PgRewind => self.life(canvas, life, server, SERVER, PG_REWIND),
                Process::PgBasebackup => self.life(canvas, life, server, SERVER, PG_BASEBACKUP),
            }
        }
        if self.lives.is_empty() {
            self.roles(canvas, [0, self.end], server);
        }
        for event in &self.events {
            match &event.kind {
                Kind::Fault { .. } | Kind::Disturbance { .. } => {
                    let x = canvas.x(event.at[0]);
                    canvas.line([x, agent], [x, writes + WRITES], "stroke=\"#ffb300\" stroke-dasharray=\"3 2\"");
                    canvas.bolt(x, agent - 1.0, BOLT);
                }
                Kind::Starved { what, .. } => {
                    let y = if *what == Process::Agent { agent + AGENT_ROW } else { server + SERVER };
                    canvas.bar(event.at, y, 3.0, &format!("fill=\"{STARVED}\""));
                }
                Kind::Write { result, .. } | Kind::Batch { result, .. } => write(canvas, event.at, *result, writes),
                Kind::Recover { .. } | Kind::Said { .. } => {
                    let x = canvas.x(event.at[0]);
                    let style = "stroke=\"#9e9e9e\" stroke-dasharray=\"1 2\"";
                    canvas.line([x, agent + AGENT_ROW], [x, writes + WRITES + SPACE], style);
                }
                _ => {}
            }
        }
        self.faults.draw(canvas, top + 4.0);
        self.says.draw(canvas, writes + WRITES + SPACE);
    }

    /// A process: solid while it certainly lived, pale where it may have.
    fn life(&self, canvas: &mut Canvas, life: &Life, y: f64, height: f64, colour: &str) {
        let [from, to] = life.possible();
        canvas.bar([from, to.min(self.end)], y, height, &format!("fill=\"{colour}\" fill-opacity=\"0.35\""));
        let [from, to] = life.certain();
        if from <= to {
            canvas.bar([from, to.min(self.end)], y, height, &format!("fill=\"{colour}\""));
        }
    }

    /// A postmaster, in the colours of what probes found while it lived, and how it ended.
    fn postmaster(&self, canvas: &mut Canvas, life: &Life, y: f64) {
        self.life(canvas, life, y, SERVER, STARTING);
        let [from, to] = life.possible();
        self.roles(canvas, [from, to.min(self.end)], y);
        let Some(end) = life.to.filter(|end| canvas.shows(*end)) else { return };
        let x = canvas.x(end[1]);
        canvas.line([x, y - 2.0], [x, y + SERVER + 2.0], "stroke=\"#212121\" stroke-width=\"2\"");
        let how = match (life.signal, life.code) {
            (Some(signal), _) => format!("signal {signal}"),
            (None, Some(0)) => return,
            (None, Some(code)) => format!("code {code}"),
            (None, None) => return,
        };
        canvas.text(x + 4.0, y + 14.0, "fill=\"#212121\"", &how);
    }

    fn roles(&self, canvas: &mut Canvas, [from, to]: [u64; 2], y: f64) {
        let mut found: Vec<([u64; 2], ServerState)> = self
            .findings
            .iter()
            .copied()
            .filter(|(at, state)| at[1] >= from && at[0] <= to && *state != ServerState::Refused)
            .collect();
        found.sort_by_key(|(at, _)| *at);
        found.dedup_by_key(|(_, state)| *state);
        for (index, (at, state)) in found.iter().enumerate() {
            let until = found.get(index + 1).map_or(to, |(next, _)| next[0]);
            let colour = match state {
                ServerState::Primary => PRIMARY,
                ServerState::Standby => STANDBY,
                _ => continue,
            };
            let [start, end] = [at[0].max(from), until.min(to)];
            if start < end {
                canvas.bar([start, end], y, SERVER, &format!("fill=\"{colour}\""));
            }
        }
    }
}

/// A write: a pale stroke for its time, a tick where it ended.
fn write(canvas: &mut Canvas, at: [u64; 2], result: WriteResult, y: f64) {
    let (colour, height) = match result {
        WriteResult::Ok => (ACKNOWLEDGED, WRITES),
        WriteResult::Failed => (REFUSED, WRITES / 2.0),
        WriteResult::Indeterminate => (INDETERMINATE, WRITES),
    };
    let base = y + WRITES;
    canvas.bar(at, base - 3.0, 3.0, &format!("fill=\"{colour}\" fill-opacity=\"0.4\""));
    let x = canvas.x(at[1]);
    canvas.line([x, base - height], [x, base], &format!("stroke=\"{colour}\" stroke-width=\"1.2\""));
}
