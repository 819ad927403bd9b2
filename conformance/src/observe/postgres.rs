//! Sessions with Postgres in which every wait has a limit, since a server under test may hang.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, SimpleQueryMessage};

/// The time that a connection may take. tokio-postgres' own limit covers only the socket, not the start-up that
/// follows.
const CONNECT: Duration = Duration::from_secs(1);

/// The most that a server may answer in one session, bytes. All rows of a long run are a few MiB; what listens on a
/// node's port may be no Postgres at all, and send without end.
const ANSWERS: usize = 64 << 20;

/// The most characters of a server's message that are kept.
const MESSAGE: usize = 1000;

/// An open session. Dropping it ends it.
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
}

/// The failure of a statement or a connection.
#[derive(Debug)]
pub enum Failure {
    /// Nothing listens there.
    Refused,
    /// The server refused, in its own words.
    Server {
        /// SQLSTATE.
        code: SqlState,
        /// Its message.
        message: String,
    },
    /// The connection broke.
    Broken(String),
    /// No answer in time.
    TimedOut,
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Failure {
        if let Some(error) = error.as_db_error() {
            let message = error.message().chars().take(MESSAGE).collect();
            return Failure::Server { code: error.code().clone(), message };
        }
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Failure::Refused,
            _ => Failure::Broken(error.to_string()),
        }
    }

    fn of_socket(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            _ => Failure::Broken(format!("error connecting to server: {error}")),
        }
    }

    /// The failure in words.
    pub fn words(&self) -> String {
        match self {
            Failure::Refused => "connection refused".to_owned(),
            Failure::Server { code, message } => format!("{}: {message}", code.code()),
            Failure::Broken(why) => why.clone(),
            Failure::TimedOut => "no answer in time".to_owned(),
        }
    }
}

impl Session {
    /// Opens a session, within a second.
    ///
    /// # Errors
    /// The connection is refused, or not open in time.
    pub async fn open(config: &Config) -> Result<Session, Failure> {
        let (client, connection) = connected(CONNECT, config).await?;
        // Its end shows in the answers to statements.
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Session { client, connection })
    }

    /// Runs statements and returns the rows of all of them, columns as text.
    ///
    /// # Errors
    /// The server refuses one, or does not answer within `limit`. The session can be used again, its late answer is
    /// dropped.
    pub async fn query(&self, sql: &str, limit: Duration) -> Result<Vec<Vec<Option<String>>>, Failure> {
        let messages = within(limit, self.client.simple_query(sql)).await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Says whether the session is known to have ended: nothing more can be sent on it.
    pub fn has_ended(&self) -> bool {
        self.client.is_closed() || self.connection.is_finished()
    }
}

/// Opens a session for one use and runs statements on it.
///
/// # Errors
/// See [`Session::open`] and [`Session::query`].
pub async fn query_once(config: &Config, sql: &str, limit: Duration) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let session = Session::open(config).await?;
    let answer = session.query(sql, limit).await;
    if matches!(answer, Err(Failure::TimedOut)) {
        // Otherwise a server that hangs would keep the connection's task for ever.
        session.connection.abort();
    }
    answer
}

/// Connects to the one host of `config`, within `limit`.
pub(super) async fn connected(
    limit: Duration,
    config: &Config,
) -> Result<(Client, Connection<Bounded, NoTlsStream>), Failure> {
    let connecting = async {
        let place = match (config.get_hosts(), config.get_ports()) {
            ([Host::Tcp(host)], [port]) => (host.as_str(), *port),
            _ => return Err(Failure::Broken("it has not one host and one port".to_owned())),
        };
        let stream = TcpStream::connect(place).await.map_err(|error| Failure::of_socket(&error))?;
        stream.set_nodelay(true).map_err(|error| Failure::of_socket(&error))?;
        config.connect_raw(Bounded { stream, left: ANSWERS }, NoTls).await.map_err(|error| Failure::of(&error))
    };
    tokio::time::timeout(limit, connecting).await.unwrap_or(Err(Failure::TimedOut))
}

/// A connection whose other end may send so many bytes and no more.
pub(super) struct Bounded {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if let Poll::Ready(Ok(())) = read {
            match self.left.checked_sub(into.filled().len() - before) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Err(io::Error::other("it answers without end"))),
            }
        }
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Waits for an answer, at most for `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    doing: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, doing).await {
        Ok(done) => done.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = Config::new();
        config.host("127.0.0.1").port(free).user("nobody");
        assert!(matches!(Session::open(&config).await, Err(Failure::Refused)));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_times_out() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::new();
        config.host("127.0.0.1").port(silent.local_addr().unwrap().port()).user("nobody");
        assert!(matches!(Session::open(&config).await, Err(Failure::TimedOut)));
    }

    /// What listens there sends a row without end, a byte a column.
    #[tokio::test]
    async fn a_server_that_answers_without_end_is_broken() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::new();
        config.host("127.0.0.1").port(listener.local_addr().unwrap().port()).user("nobody");
        let server = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = client.read(&mut asked).await.unwrap();
            client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
            let _ = client.read(&mut asked).await.unwrap();
            let row = [b"D\0\x10\0\x0a\0\x01\0\x10\0\0".as_slice(), &[b'x'; 1 << 20]].concat();
            let mut sent = 0;
            while client.write_all(&row).await.is_ok() {
                sent += row.len();
            }
            sent
        });
        let failure = query_once(&config, "SELECT 1", Duration::from_secs(60)).await.unwrap_err();
        assert!(matches!(failure, Failure::Broken(_)), "{failure:?}");
        let sent = server.await.unwrap();
        assert!(sent < ANSWERS + (32 << 20), "{sent} bytes were taken");
    }

    /// A server that lets a client in and then says no more, as one that is stopped, or one whose commit waits for a
    /// standby.
    #[tokio::test]
    async fn a_server_that_lets_in_and_says_nothing_more_times_out() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::new();
        config.host("127.0.0.1").port(listener.local_addr().unwrap().port()).user("nobody");
        let server = tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut startup = [0; 1024];
                let _ = client.read(&mut startup).await.unwrap();
                // AuthenticationOk, ReadyForQuery.
                client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
                silent.push(client);
            }
        });
        let limit = Duration::from_millis(200);
        let started = tokio::time::Instant::now();
        assert!(matches!(query_once(&config, "SELECT 1", limit).await, Err(Failure::TimedOut)));
        let session = Session::open(&config).await.unwrap_or_else(|failure| panic!("{}", failure.words()));
        for _ in 0..2 {
            assert!(matches!(session.query("INSERT", limit).await, Err(Failure::TimedOut)));
        }
        assert!(started.elapsed() < CONNECT + 5 * limit, "each answer has its deadline");
        server.abort();
    }
}
