//! A Docker Engine that answers what a test wants: on a socket of its own, in threads of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The answer to a request.
pub enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// Never.
    Stalls,
}

/// An engine that answers until the test ends.
pub struct Engine {
    folder: tempfile::TempDir,
}

impl Engine {
    /// An engine that answers each request, `METHOD PATH`, with what `answer` gives.
    pub fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || serve(&stream, &*answer));
            }
        });
        Engine { folder }
    }

    /// An engine without containers, networks and images, but for what `answer` knows better.
    pub fn empty(answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Engine {
        Engine::new(move |request| {
            answer(request).unwrap_or_else(|| match request {
                ping if ping.contains("/_ping") => Answer::Says(200, "OK".into()),
                list if list.contains("/containers/json") || list.contains("/images/json") => {
                    Answer::Says(200, "[]".into())
                }
                list if list.contains("/networks") => Answer::Says(200, "[]".into()),
                _ => Answer::Says(404, r#"{"message":"no such thing"}"#.into()),
            })
        })
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The value of `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

fn serve(stream: &UnixStream, answer: &dyn Fn(&str) -> Answer) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        match answer(first.trim_end_matches("HTTP/1.1\r\n").trim()) {
            Answer::Says(status, body) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n");
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                if { stream }.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Answer::Stalls => std::thread::sleep(Duration::from_secs(600)),
        }
    }
}
