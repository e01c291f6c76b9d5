//! An SMTP server that keeps what it gets: where mails go unless a server is set.
//!
//! Speaks the part of SMTP that any client needs (RFC 5321, no extensions but 8BITMIME) on loopback, and keeps the newest
//! mails in a database, once per Message-ID. Lines, mails and connections are bounded. Never relays a mail.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::contracts::now_ms;
use crate::database::{Database, Schema};
use crate::service::Service;
use crate::settings::database_file;

pub(super) const SCHEMA: Schema = Schema {
    name: "catcher",
    versions: &[include_str!("../../schema/catcher_1.sql")],
};

const MOST_CONNECTIONS: usize = 64;
const LONGEST_LINE: u64 = 2048;
const LARGEST_MAIL: usize = 256 << 10;
const MOST_RECIPIENTS: usize = 100;
const IDLE: Duration = Duration::from_mins(1);

/// A mail that was caught.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CaughtMail {
    /// With its angle brackets.
    pub message_id: String,
    /// From the envelope.
    pub sender: String,
    /// From the envelope; several are separated by commas.
    pub recipient: String,
    /// As it was sent.
    pub subject: String,
    /// Headers and body as they were sent.
    pub source: String,
    /// How often it came.
    pub times: i64,
}

/// The mails that the emails service of this directory caught, oldest first.
pub async fn caught_mails(data_dir: &Path) -> Result<Vec<CaughtMail>> {
    let database = Database::open(&database_file(data_dir, Service::Emails), &[SCHEMA]).await?;
    let mails = sqlx::query_as(
        "SELECT message_id, sender, recipient, subject, source, times FROM caught_mails ORDER BY id",
    )
    .fetch_all(database.read())
    .await?;
    database.close().await;
    Ok(mails)
}

/// The server, listening.
#[derive(Debug)]
pub struct MailCatcher {
    listener: TcpListener,
    local_addr: SocketAddr,
    store: Store,
}

#[derive(Debug, Clone)]
struct Store {
    database: Database,
    keep: u32,
}

impl MailCatcher {
    /// Listens here and keeps mails in a database file of its own.
    pub async fn open(listen: SocketAddr, file: &Path, keep: u32) -> Result<Self> {
        let database = Database::open(file, &[SCHEMA]).await?;
        Self::bind(listen, database, keep).await
    }

    pub(super) async fn bind(listen: SocketAddr, database: Database, keep: u32) -> Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen} for mails"))?;
        let local_addr = listener.local_addr()?;
        tracing::info!(%local_addr, "mails are caught here");
        Ok(Self {
            listener,
            local_addr,
            store: Store { database, keep },
        })
    }

    /// What to send mails to.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.local_addr)
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the shutdown.
    pub async fn serve(self, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut sessions = tokio::task::JoinSet::new();
        loop {
            while sessions.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (Ok((socket, _)), Ok(permit)) =
                (accepted, Arc::clone(&permits).try_acquire_owned())
            else {
                // No descriptors or too many connections: the client tries again.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let store = self.store.clone();
            sessions.spawn(async move {
                if let Err(error) = session(socket, &store).await {
                    tracing::debug!(%error, "an SMTP session ended early");
                }
                drop(permit);
            });
        }
    }
}

type Reader = BufReader<OwnedReadHalf>;

#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
}

async fn session(socket: TcpStream, store: &Store) -> Result<()> {
    socket.set_nodelay(true)?;
    let (reader, mut writer) = socket.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"220 headwater ESMTP\r\n").await?;
    let mut envelope = Envelope::default();
    while let Some(line) = read_line(&mut reader).await? {
        let upper = line.to_ascii_uppercase();
        let reply = match upper.split_whitespace().next().unwrap_or_default() {
            "EHLO" => "250-headwater\r\n250 8BITMIME\r\n",
            "HELO" | "NOOP" => "250 ok\r\n",
            "RSET" => {
                envelope = Envelope::default();
                "250 ok\r\n"
            }
            "MAIL" => {
                envelope = Envelope {
                    sender: Some(address(&line)),
                    recipients: Vec::new(),
                };
                "250 ok\r\n"
            }
            "RCPT" if envelope.sender.is_none() => "503 MAIL first\r\n",
            "RCPT" if envelope.recipients.len() == MOST_RECIPIENTS => "452 too many recipients\r\n",
            "RCPT" => {
                envelope.recipients.push(address(&line));
                "250 ok\r\n"
            }
            "DATA" if envelope.recipients.is_empty() => "503 RCPT first\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                match read_data(&mut reader).await? {
                    None => "552 too large\r\n",
                    Some(source) => match store.keep(&std::mem::take(&mut envelope), &source).await
                    {
                        Ok(()) => "250 caught\r\n",
                        Err(error) => {
                            tracing::warn!(%error, "a mail was not caught");
                            "451 later\r\n"
                        }
                    },
                }
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 not known here\r\n",
        };
        writer.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

/// What stands between angle brackets.
fn address(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

/// Clients send a mail's text and its end in two small writes; with a delayed acknowledgement between them every mail
/// would take 40 ms. Linux forgets the wish with time, so it is said before every read.
fn acknowledge_at_once(reader: &Reader) {
    #[cfg(target_os = "linux")]
    let _ = reader.get_ref().as_ref().set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = reader;
}

async fn read_line(reader: &mut Reader) -> Result<Option<String>> {
    acknowledge_at_once(reader);
    let mut line = Vec::new();
    let read = tokio::time::timeout(IDLE, reader.take(LONGEST_LINE).read_until(b'\n', &mut line))
        .await??;
    anyhow::ensure!(
        read == 0 || line.ends_with(b"\n"),
        "a line is longer than {LONGEST_LINE} bytes or cut off"
    );
    if read == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// Lines up to a lone dot, dots doubled by the client undone; `None` if it is too large.
async fn read_data(reader: &mut Reader) -> Result<Option<String>> {
    let mut source = Vec::new();
    let mut too_large = false;
    loop {
        acknowledge_at_once(reader);
        let mut line = Vec::new();
        let read =
            tokio::time::timeout(IDLE, reader.take(LONGEST_LINE).read_until(b'\n', &mut line))
                .await??;
        anyhow::ensure!(
            read > 0 && line.ends_with(b"\n"),
            "a line of the mail is too long or cut off"
        );
        if line == b".\r\n" || line == b".\n" {
            return Ok((!too_large).then(|| String::from_utf8_lossy(&source).into_owned()));
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        too_large |= source.len() + line.len() > LARGEST_MAIL;
        if !too_large {
            source.extend_from_slice(line);
        }
    }
}

impl Store {
    async fn keep(&self, envelope: &Envelope, source: &str) -> sqlx::Result<()> {
        // Long headers go on in lines that begin with white space.
        let head = source.split("\r\n\r\n").next().unwrap_or_default();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        let message_id =
            header("Message-ID").unwrap_or_else(|| format!("<none-{}>", uuid::Uuid::now_v7()));
        let kept: i64 = sqlx::query_scalar(
            "INSERT INTO caught_mails (message_id, sender, recipient, subject, source, times, at_ms) \
             VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT (message_id) DO UPDATE SET times = times + 1 RETURNING id",
        )
        .bind(message_id)
        .bind(envelope.sender.as_deref().unwrap_or_default())
        .bind(envelope.recipients.join(","))
        .bind(header("Subject").unwrap_or_default())
        .bind(source)
        .bind(now_ms())
        .fetch_one(self.database.relaxed())
        .await?;
        sqlx::query("DELETE FROM caught_mails WHERE id <= ?")
            .bind(kept - i64::from(self.keep))
            .execute(self.database.relaxed())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lettre::AsyncTransport;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::sync::CancellationToken;

    use super::super::mail::Mail;
    use super::super::smtp;
    use super::MailCatcher;

    #[tokio::test]
    async fn a_mail_sent_twice_is_kept_once_and_old_ones_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let catcher = MailCatcher::open(
            ([127, 0, 0, 1], 0).into(),
            &directory.path().join("m.db"),
            2,
        )
        .await
        .unwrap();
        let transport = smtp::transport(&catcher.url()).unwrap();
        let database = catcher.store.database.clone();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(catcher.serve(shutdown.clone()));
        for id in ["a", "b", "c", "c"] {
            let mail = Mail {
                message_id: format!("<{id}@x>"),
                recipient: "c@customers.example".into(),
                subject: format!(
                    "about {id}, {}",
                    "a long subject is folded ".repeat(6).trim()
                ),
                body: ".a line that begins with a dot\n".into(),
            };
            transport.send(smtp::message(&mail).unwrap()).await.unwrap();
        }
        let rows: Vec<(String, i64, String, String)> = sqlx::query_as(
            "SELECT message_id, times, source, subject FROM caught_mails ORDER BY id",
        )
        .fetch_all(database.read())
        .await
        .unwrap();
        assert_eq!((rows[0].0.as_str(), rows[0].1), ("<b@x>", 1));
        assert_eq!((rows[1].0.as_str(), rows[1].1), ("<c@x>", 2));
        assert!(
            rows[1].2.contains("\r\n.a line that begins"),
            "{}",
            rows[1].2
        );
        assert!(
            rows[1].3.ends_with("is folded") && !rows[1].3.contains('\n'),
            "{}",
            rows[1].3
        );
        shutdown.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn commands_out_of_order_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let catcher = MailCatcher::open(
            ([127, 0, 0, 1], 0).into(),
            &directory.path().join("m.db"),
            2,
        )
        .await
        .unwrap();
        let mut socket = tokio::net::TcpStream::connect(catcher.local_addr())
            .await
            .unwrap();
        let server = tokio::spawn(catcher.serve(CancellationToken::new()));
        socket
            .write_all(b"DATA\r\nRCPT TO:<a@b>\r\nWHAT\r\nQUIT\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let codes: Vec<&str> = answer.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "503", "503", "502", "221"]);
        server.abort();
    }
}
