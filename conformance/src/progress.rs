//! Progress on standard error: what each lane of the lab is doing right now.
//!
//! On a terminal there is one line that overwrites itself; elsewhere a line is written when something new begins, and
//! every few seconds while a wait goes on. Standard output stays free for `--json`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::untrusted::escape;

/// The interval at which a wait that goes on is told again off a terminal.
const REPEAT: Duration = Duration::from_secs(5);

/// The reporter of all lanes. Clones share it.
#[derive(Clone)]
pub struct Progress {
    shared: Arc<Mutex<Shared>>,
}

/// The reporter of one lane, a scenario that runs.
#[derive(Clone)]
pub struct Lane {
    progress: Progress,
    name: String,
}

struct Shared {
    out: Box<dyn Write + Send>,
    terminal: bool,
    lanes: BTreeMap<String, Doing>,
    /// Number of characters that the overwriting line has at present.
    drawn: usize,
}

struct Doing {
    what: String,
    since: Instant,
    told: Option<Instant>,
}

impl Progress {
    /// Reports on standard error.
    pub fn stderr() -> Progress {
        Progress::to(Box::new(std::io::stderr()), std::io::stderr().is_terminal())
    }

    /// Reports nothing.
    pub fn silent() -> Progress {
        Progress::to(Box::new(std::io::sink()), false)
    }

    /// Reports to `out`, as to a terminal or not.
    pub fn to(out: Box<dyn Write + Send>, terminal: bool) -> Progress {
        Progress { shared: Arc::new(Mutex::new(Shared { out, terminal, lanes: BTreeMap::new(), drawn: 0 })) }
    }

    /// The reporter of a lane.
    pub fn lane(&self, name: &str) -> Lane {
        Lane { progress: self.clone(), name: name.to_owned() }
    }

    /// Writes a whole line, which stays.
    pub fn say(&self, line: &str) {
        self.lock().say(&escape::terminal(line));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere must not silence the report on it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Says what the lane does from now on. Repeated with the same words, it also says how long that has taken.
    pub fn doing(&self, what: &str) {
        let what = escape::terminal(what).replace('\n', " ");
        let mut shared = self.progress.lock();
        let now = Instant::now();
        match shared.lanes.get_mut(&self.name) {
            Some(doing) if doing.what == what => {}
            _ => {
                let doing = Doing { what, since: now, told: None };
                shared.lanes.insert(self.name.clone(), doing);
            }
        }
        shared.tell(&self.name, now);
    }

    /// Writes a whole line about the lane, which stays.
    pub fn say(&self, line: &str) {
        self.progress.say(&format!("{}: {line}", self.name));
    }

    /// The lane does nothing any more.
    pub fn done(&self) {
        let mut shared = self.progress.lock();
        shared.lanes.remove(&self.name);
        if shared.terminal {
            shared.draw();
        }
    }
}

impl Shared {
    fn tell(&mut self, name: &str, now: Instant) {
        if self.terminal {
            self.draw();
            return;
        }
        let Some(doing) = self.lanes.get_mut(name) else {
            return;
        };
        if doing.told.is_some_and(|told| now - told < REPEAT) {
            return;
        }
        doing.told = Some(now);
        let line = format!("{name}: {}\n", phrase(doing, now));
        self.write(&line);
    }

    fn say(&mut self, line: &str) {
        if self.terminal {
            self.erase();
        }
        self.write(&format!("{line}\n"));
        if self.terminal {
            self.draw();
        }
    }

    /// Draws the overwriting line anew.
    fn draw(&mut self) {
        let now = Instant::now();
        let parts: Vec<String> =
            self.lanes.iter().map(|(name, doing)| format!("{name}: {}", phrase(doing, now))).collect();
        let line = parts.join(" | ");
        let padding = " ".repeat(self.drawn.saturating_sub(line.chars().count()));
        self.write(&format!("\r{line}{padding}\r{line}"));
        self.drawn = line.chars().count();
    }

    fn erase(&mut self) {
        let blank = " ".repeat(self.drawn);
        self.write(&format!("\r{blank}\r"));
        self.drawn = 0;
    }

    /// A report that cannot be written is no reason to stop what it reports on.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

fn phrase(doing: &Doing, now: Instant) -> String {
    match (now - doing.since).as_secs() {
        0 => doing.what.clone(),
        seconds => format!("{} ({seconds} s)", doing.what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn off_a_terminal_a_wait_is_told_once_and_then_seldom() {
        let paper = Paper::default();
        let lane = Progress::to(Box::new(paper.clone()), false).lane("a");
        for _ in 0..100 {
            lane.doing("waiting for n1 to stream");
        }
        lane.doing("reading back");
        assert_eq!(paper.text(), "a: waiting for n1 to stream\na: reading back\n");
    }

    #[test]
    fn on_a_terminal_a_shorter_line_leaves_no_rest_behind() {
        let paper = Paper::default();
        let progress = Progress::to(Box::new(paper.clone()), true);
        progress.lane("a").doing("a long line");
        progress.lane("a").doing("short");
        assert!(paper.text().ends_with("\ra: short      \ra: short"), "{:?}", paper.text());
    }
}
