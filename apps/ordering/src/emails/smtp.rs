//! SMTP as a client: the connection pool and the messages.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, Tokio1Executor};

use super::mail::Mail;

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: u32 = 8;
const IDLE: Duration = Duration::from_secs(20);
const SENDER: &str = "Headwater Groceries <orders@headwater.example>";

pub(super) type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A pool of connections to the server of this URL; it connects with the first mail.
pub(super) fn transport(url: &str) -> Result<Transport> {
    let builder = Transport::from_url(url).context(
        "the SMTP URL cannot be used: write smtp://host:port, smtp://user:password@host:port?tls=required or smtps://host",
    )?;
    let pool = PoolConfig::new()
        .max_size(MOST_CONNECTIONS)
        .idle_timeout(IDLE);
    Ok(builder.timeout(Some(TIMEOUT)).pool_config(pool).build())
}

/// The mail as it goes over the wire.
pub(super) fn message(mail: &Mail) -> Result<Message> {
    let to: Mailbox = mail
        .recipient
        .parse()
        .with_context(|| format!("the address {:?}", mail.recipient))?;
    Message::builder()
        .from(SENDER.parse().context("the sender's address")?)
        .to(to)
        .subject(&mail.subject)
        .message_id(Some(mail.message_id.clone()))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.body.clone())
        .context("the mail's text")
}
