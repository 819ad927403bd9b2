//! The wall clock of an agent, by libfaketime: only the agent's, and only the wall clock. Postgres keeps the machine's, and so does the
//! monotonic clock that leases are counted by.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Done, Faults, Open};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::lab::observer::Observer;
use crate::lab::sandbox::Lane;

/// Where the library and the offset lie in a node.
const LIBRARY: &str = "/etc/pghaspec/libfaketime.so.1";
const OFFSET: &str = "/etc/pghaspec/faketime";
/// Programs whose clock stays right.
const LEFT_ALONE: &str = "postgres,pg_rewind,pg_basebackup,pg_ctl,pg_controldata,pg_isready,initdb,docker-init";

/// What a node needs from its start on, so that its agent's clock can be set later.
pub struct Faketime {
    /// Files: path in the container and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Environment.
    pub env: BTreeMap<String, String>,
}

impl Faketime {
    /// Takes the library from the observer's image.
    ///
    /// # Errors
    /// It is not there.
    pub async fn from(lane: &Lane, observer: &Observer) -> Result<Faketime, LabError> {
        let script = "exec base64 -w0 /usr/lib/*/faketime/libfaketimeMT.so.1";
        let answer = exec(&lane.docker, &observer.container, &["sh", "-c", script]).await?;
        let library = STANDARD.decode(answer.stdout.as_bytes()).ok().filter(|bytes| !bytes.is_empty());
        let library = library.ok_or_else(|| {
            let message = format!("the observer's image has no libfaketime: {}", answer.stderr);
            LabError::environment(message, "run ci/setup")
        })?;
        let env = [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", OFFSET),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_SKIP_CMDS", LEFT_ALONE),
        ];
        Ok(Faketime {
            files: vec![(LIBRARY.to_owned(), library), (OFFSET.to_owned(), b"+0\n".to_vec())],
            env: env.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        })
    }
}

impl Faults<'_> {
    pub(super) async fn skew_clock(&mut self, node: &str, seconds: i32) -> Result<Done, LabError> {
        self.opened(Open::Skewed(node.to_owned()));
        self.set_clock(node, seconds).await
    }

    pub(super) async fn restore_clock(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::Skewed(node.to_owned()));
        self.set_clock(node, 0).await
    }

    /// Sets the offset, and reads the clock as the agent does: in its container, with its environment.
    async fn set_clock(&self, node: &str, seconds: i32) -> Result<Done, LabError> {
        let before = self.recorder.clock().now();
        let script = format!(
            "echo '{seconds:+}' >{OFFSET}.new && mv {OFFSET}.new {OFFSET} && date +%s && env -u LD_PRELOAD date +%s"
        );
        let answer = exec(&self.lane.docker, &self.lane.name(node), &["sh", "-c", &script]).await?;
        let at = [before, self.recorder.clock().now()];
        let read: Vec<i64> = answer.stdout.lines().filter_map(|line| line.trim().parse().ok()).collect();
        let [faked, real] = read[..] else {
            return Err(LabError::harness(format!(
                "setting the clock at {node} failed: {} {}",
                answer.stdout, answer.stderr
            )));
        };
        let off = faked - real;
        let right = (off - i64::from(seconds)).abs() <= 2;
        Ok((at, right.then(|| format!("a program with the agent's environment is {off} s off"))))
    }
}
