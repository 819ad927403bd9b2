//! libfaketime in the nodes: an agent's wall clock that can be set later. Only the agent's, and only the wall clock:
//! Postgres keeps the machine's, and so does the monotonic clock that leases are counted by.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::lab::error::LabError;
use crate::lab::observer::Observer;
use crate::lab::testbed::Testbed;

/// The library in a node.
const LIBRARY: &str = "/etc/pghaspec/libfaketime.so.1";
/// The file in a node that holds the offset of its clock, in seconds.
pub const OFFSET: &str = "/etc/pghaspec/faketime";
/// Programs whose clock stays right.
const LEFT_ALONE: &str = "postgres,pg_rewind,pg_basebackup,pg_ctl,pg_controldata,pg_isready,initdb,docker-init";

/// The files and the environment that a node needs from its start on, so that its agent's clock can be set later.
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
    /// The library is not there.
    pub async fn from(bed: &Testbed<'_>, observer: &Observer) -> Result<Faketime, LabError> {
        let script = "exec base64 -w0 /usr/lib/*/faketime/libfaketimeMT.so.1";
        let answer = bed.exec(&observer.container, &["sh", "-c", script]).await?;
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
