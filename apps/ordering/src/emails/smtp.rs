//! SMTP as a client: the connection pool, the messages and what the server says to them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::mail::Mail;

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: u32 = 8;
const IDLE: Duration = Duration::from_secs(20);
const SENDER: &str = "Headwater Groceries <orders@headwater.example>";

pub(super) type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// 5xx answers about who we are, not about the mail: a password to be set right, an encryption that is asked for.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// What the server said to one mail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    Refused(String),
}

/// Sends a mail. An error tells nothing about the mail: it is sent again later.
pub(super) async fn deliver(transport: &Transport, message: Message) -> Result<Answer, Error> {
    let first = match transport.send(message.clone()).await {
        Ok(_) => return Ok(Answer::Accepted),
        Err(error) if speaks_of_the_mail(&error) => error,
        Err(error) => return Err(error),
    };
    // The same codes also refuse a whole connection, in the greeting or at the login, and the error does not tell
    // which it was. A mail is only given up on when it is refused again once a connection stands.
    if !transport.test_connection().await? {
        return Err(first);
    }
    match transport.send(message).await {
        Ok(_) => Ok(Answer::Accepted),
        Err(error) if speaks_of_the_mail(&error) => Ok(Answer::Refused(error.to_string())),
        Err(error) => Err(error),
    }
}

fn speaks_of_the_mail(error: &Error) -> bool {
    error.is_permanent()
        && error
            .status()
            .is_some_and(|code| !NOT_LET_IN.contains(&code.into()))
}

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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::{Answer, Mail, deliver, message, transport};

    /// What a server says where; elsewhere it agrees.
    #[derive(Clone, Copy)]
    struct Script {
        greeting: &'static str,
        auth: &'static str,
        mail: &'static str,
        rcpt: &'static str,
    }

    const FRIENDLY: Script = Script {
        greeting: "220 here",
        auth: "235 welcome",
        mail: "250 ok",
        rcpt: "250 ok",
    };

    async fn serve(script: Script) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, script));
            }
        });
        address
    }

    async fn talk(stream: TcpStream, script: Script) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut answer = script.greeting;
        loop {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.split_whitespace().next().unwrap_or_default();
            answer = match verb {
                "EHLO" => "250-here\r\n250 AUTH PLAIN",
                "AUTH" => script.auth,
                "MAIL" => script.mail,
                "RCPT" => script.rcpt,
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    while line != ".\r\n" {
                        line.clear();
                        stream.read_line(&mut line).await?;
                    }
                    "250 taken"
                }
                _ => "250 ok",
            };
        }
    }

    async fn answer(script: Script) -> Option<Answer> {
        let address = serve(script).await;
        let transport = transport(&format!("smtp://user:password@{address}")).unwrap();
        let mail = Mail {
            message_id: "<m@headwater.example>".to_owned(),
            recipient: "c@customers.example".to_owned(),
            subject: "Your order".to_owned(),
            body: "It comes.".to_owned(),
        };
        deliver(&transport, message(&mail).unwrap()).await.ok()
    }

    #[tokio::test]
    async fn a_mail_waits_while_the_server_does_not_let_us_in() {
        for script in [
            Script {
                auth: "535 wrong password",
                ..FRIENDLY
            },
            Script {
                auth: "554 no logins today",
                ..FRIENDLY
            },
            Script {
                greeting: "554 not for you",
                ..FRIENDLY
            },
            Script {
                mail: "530 log in first",
                ..FRIENDLY
            },
            Script {
                rcpt: "451 later",
                ..FRIENDLY
            },
        ] {
            assert_eq!(answer(script).await, None);
        }
    }

    #[tokio::test]
    async fn a_mail_is_given_up_only_when_it_is_itself_refused() {
        assert_eq!(answer(FRIENDLY).await, Some(Answer::Accepted));
        let refused = answer(Script {
            rcpt: "550 nobody here",
            ..FRIENDLY
        })
        .await;
        let Some(Answer::Refused(reason)) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains("nobody here"), "{reason}");
    }
}
