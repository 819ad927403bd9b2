//! The signals that end a run: Ctrl-C, SIGTERM and SIGHUP, heard in one place from the first moment to the last. Who
//! runs something asks here, so that no signal is lost between two things that are done.
//!
//! The first signal is a request: what runs is ended in order, cleaned up and kept. A second Ctrl-C or SIGTERM ends the
//! process at once. A SIGHUP that was ignored from the start, as `nohup` has it, stays ignored.

use std::io::Write;
use std::sync::{LazyLock, OnceLock, mpsc};
use std::{fs, io};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT.
    CtrlC,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Interrupt {
    /// The signal in words, which complete "ended by …".
    pub fn words(self) -> &'static str {
        match self {
            Interrupt::CtrlC => "Ctrl-C",
            Interrupt::Terminate => "SIGTERM",
            Interrupt::HangUp => "SIGHUP",
        }
    }

    /// The exit code of a process that it ends at once.
    fn code(self) -> i32 {
        match self {
            Interrupt::CtrlC => 130,
            Interrupt::Terminate => 143,
            Interrupt::HangUp => 129,
        }
    }
}

static FIRST: LazyLock<watch::Sender<Option<Interrupt>>> = LazyLock::new(|| watch::Sender::new(None));

/// Begins to listen; from then on signals end nothing by themselves. Further calls do nothing.
///
/// # Errors
/// The signals cannot be handled, in words.
pub fn listen() -> Result<(), String> {
    static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
    LISTENING.get_or_init(start).clone()
}

/// The first signal so far.
pub fn caught() -> Option<Interrupt> {
    *FIRST.borrow()
}

/// Waits for the first signal; returns at once if it has come.
pub async fn wait() -> Interrupt {
    let mut first = FIRST.subscribe();
    match first.wait_for(Option::is_some).await.ok().and_then(|found| *found) {
        Some(interrupt) => interrupt,
        // The sender lives as long as the process.
        None => std::future::pending().await,
    }
}

/// Starts the thread that listens: it depends on nobody else's work.
fn start() -> Result<(), String> {
    let (ready, is_ready) = mpsc::channel();
    let listener = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(hear(&ready));
    });
    let failed = |error: &dyn std::fmt::Display| format!("signals cannot be handled: {error}");
    listener.map_err(|error| failed(&error))?;
    is_ready.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

async fn hear(ready: &mpsc::Sender<io::Result<()>>) {
    let ignored = hang_up_is_ignored();
    let of = |kind: SignalKind| signal(kind);
    let opened = of(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, of(SignalKind::terminate())?)))
        .and_then(|(interrupt, terminate)| {
            let hang_up = if ignored { None } else { Some(of(SignalKind::hangup())?) };
            Ok((interrupt, terminate, hang_up))
        });
    let (mut interrupt, mut terminate, mut hang_up) = match opened {
        Ok(opened) => opened,
        Err(error) => return drop(ready.send(Err(error))),
    };
    // Whoever waits for it is there.
    let _ = ready.send(Ok(()));
    loop {
        let hung_up = async {
            match &mut hang_up {
                Some(hang_up) => drop(hang_up.recv().await),
                None => std::future::pending().await,
            }
        };
        let now = tokio::select! {
            _ = interrupt.recv() => Interrupt::CtrlC,
            _ = terminate.recv() => Interrupt::Terminate,
            () = hung_up => Interrupt::HangUp,
        };
        take(now);
    }
}

fn take(now: Interrupt) {
    // Nobody may read it any more.
    let say = |line: &str| drop(writeln!(io::stderr(), "\n{line}"));
    match caught() {
        None => {
            FIRST.send_replace(Some(now));
            say(&format!("{}: ending what runs, and cleaning up; once more to end at once", now.words()));
        }
        // A terminal that goes is told of more than once.
        Some(_) if now == Interrupt::HangUp => {}
        Some(_) => {
            say(&format!("{}: ended at once; the next run removes what is left", now.words()));
            std::process::exit(now.code());
        }
    }
}

/// Says whether SIGHUP was ignored when this process began.
fn hang_up_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_ignored(&status, 1)
}

/// Says whether a signal is in the mask of ignored ones of `/proc/PID/status`.
fn is_ignored(status: &str, number: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_read_off_the_mask() {
        let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert!(is_ignored(status, 1) && is_ignored(status, 13));
        assert!(!is_ignored(status, 2) && !is_ignored("", 1));
    }
}
