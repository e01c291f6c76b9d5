//! The emails service: writes to customers by SMTP.
//!
//! Owns the mails. Reads `order_confirmed`, `order_rejected` and `order_delivered`; writes `order_processed` once the
//! mail about a confirmed order was accepted by the server. A mail is sent at least once: a kill between the server's
//! answer and the mark repeats it, under the same Message-ID, by which servers and readers tell doubles.

mod catcher;
mod mail;
mod mailer;
mod smtp;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::contracts::{Topic, now_ms};
use crate::database::Schema;
use crate::host::{Host, Tasks};
use crate::inbox::{EventHandler, Inbox, Received, Verdict};
use crate::kafka::Cluster;
use crate::service::Service;
use crate::settings::{OrderingSettings, Smtp};

pub use catcher::{CaughtMail, MailCatcher, caught_mails};

use mail::Mail;
use mailer::Mailer;

pub(crate) const SCHEMA: Schema = Schema {
    name: "emails",
    versions: &[include_str!("../../schema/emails_1.sql")],
};

/// Starts the service, and its catcher where no server is set.
pub(crate) async fn start(
    cluster: &Arc<Cluster>,
    settings: &Arc<OrderingSettings>,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<()> {
    let host = Host::open(
        Service::Emails,
        cluster,
        settings,
        &[SCHEMA, catcher::SCHEMA],
        shutdown,
    )
    .await?;
    let url = match &settings.smtp {
        Smtp::Url(url) => url.clone(),
        Smtp::Embedded => {
            let keep = settings.retention.caught_mails;
            let catcher =
                MailCatcher::bind(([127, 0, 0, 1], 0).into(), host.database.clone(), keep).await?;
            let url = catcher.url();
            let shutdown = shutdown.clone();
            tasks.spawn(async move {
                catcher.serve(shutdown).await;
                Ok(())
            });
            url
        }
    };
    let queued = Arc::new(Notify::new());
    let mailer = Mailer::new(&host, smtp::transport(&url)?, Arc::clone(&queued));
    tasks.spawn(async move {
        mailer.run().await;
        Ok(())
    });
    host.spawn(Inbox(Writing { queued }), tasks);
    Ok(())
}

/// Writes mails into the queue, in the transaction of the inbox.
struct Writing {
    queued: Arc<Notify>,
}

#[async_trait]
impl EventHandler for Writing {
    type Effect = ();

    fn topics(&self) -> &'static [Topic] {
        &[
            Topic::OrderConfirmed,
            Topic::OrderRejected,
            Topic::OrderDelivered,
        ]
    }

    async fn handle(
        &self,
        connection: &mut SqliteConnection,
        received: &Received<'_>,
    ) -> sqlx::Result<Verdict<()>> {
        let Some(mail) = Mail::about(&received.event, &received.context) else {
            return Ok(Verdict::Done(None));
        };
        if let Err(error) = smtp::message(&mail) {
            return Ok(Verdict::Poison(format!(
                "no mail can be written about it: {error:#}"
            )));
        }
        let context = serde_json::to_string(&received.context)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "INSERT INTO mails (message_id, order_id, customer_id, kind, recipient, subject, body, lane, context, \
             status, queued_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?) ON CONFLICT (message_id) DO NOTHING",
        )
        .bind(&mail.message_id)
        .bind(received.event.order_id())
        .bind(received.event.customer_id())
        .bind(received.event.topic().name())
        .bind(&mail.recipient)
        .bind(&mail.subject)
        .bind(&mail.body)
        .bind(received.record.partition)
        .bind(context)
        .bind(now_ms())
        .execute(connection)
        .await?;
        Ok(Verdict::Done(Some(())))
    }

    fn committed(&self, _: Vec<()>) {
        self.queued.notify_one();
    }
}
