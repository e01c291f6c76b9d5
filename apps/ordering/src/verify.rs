//! Checks the databases of the services against each other: nothing lost, nothing charged twice.
//!
//! Reads only, also while services run: then orders under way count as not final, and those whose event is still in the
//! outbox or in Kafka as not yet charged. For a verdict, let the system come to rest first.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, FromRow, SqlSafeStr};

use crate::order_state::OrderState;
use crate::service::Service;
use crate::settings::database_file;

const MOST_FINDINGS: usize = 20;

/// What the databases say about the orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Orders taken.
    pub orders: u64,
    /// Orders in a final state: delivered or rejected.
    pub final_orders: u64,
    /// Orders taken that the transactions service never decided on.
    pub lost: u64,
    /// Orders charged more than once: two confirmations, or an account charged more than its payments.
    pub charged_twice: u64,
    /// Orders confirmed or further without a charge, rejected with one, or charged with another amount.
    pub charged_wrongly: u64,
    /// Orders not yet in a final state, lost ones among them.
    pub not_final: u64,
    /// Records that could not be understood, over all services.
    pub dead_letters: u64,
    /// What was found, a line each, at most 20.
    pub findings: Vec<String>,
}

impl Report {
    /// Whether nothing was lost or charged twice or wrongly.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.charged_twice == 0 && self.charged_wrongly == 0
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Reads the databases in this directory, also while the services run.
pub async fn check(data_dir: &Path) -> Result<Report> {
    check_acknowledged(data_dir, &[]).await
}

/// Like [`check`]; besides, every one of these orders, whose taking was acknowledged to a customer, must be there.
pub async fn check_acknowledged(data_dir: &Path, acknowledged: &[String]) -> Result<Report> {
    ensure!(
        database_file(data_dir, Service::Orders).exists(),
        "there is no orders.db in {}: give the directory the ordering system ran in",
        data_dir.display()
    );
    let mut report = Report::default();
    let orders: Vec<(String, String, i64)> = rows(
        data_dir,
        Service::Orders,
        "SELECT id, state, total_cents FROM orders",
    )
    .await?;
    let payments: Vec<(String, String, i64)> = rows(
        data_dir,
        Service::Transactions,
        "SELECT order_id, status, amount_cents FROM payments",
    )
    .await?;
    let payments: HashMap<String, (String, i64)> = payments
        .into_iter()
        .map(|(id, status, cents)| (id, (status, cents)))
        .collect();
    let known: HashSet<&str> = orders.iter().map(|(id, ..)| id.as_str()).collect();
    // A repeated request acknowledges the same order again.
    let acknowledged: BTreeSet<&str> = acknowledged.iter().map(String::as_str).collect();
    for id in acknowledged.into_iter().filter(|id| !known.contains(id)) {
        report.lost += 1;
        report.find(format!(
            "order {id} was acknowledged and is not in orders.db"
        ));
    }
    for (id, state, total_cents) in &orders {
        let state: OrderState = state.parse()?;
        check_order(&mut report, id, state, *total_cents, payments.get(id));
    }
    check_doubles(data_dir, &mut report).await?;
    for service in Service::ALL {
        let letters: Vec<(i64,)> =
            rows(data_dir, service, "SELECT count(*) FROM dead_letters").await?;
        report.dead_letters += letters.iter().map(|(count,)| *count as u64).sum::<u64>();
    }
    Ok(report)
}

fn check_order(
    report: &mut Report,
    id: &str,
    state: OrderState,
    total_cents: i64,
    payment: Option<&(String, i64)>,
) {
    report.orders += 1;
    if state.is_final() {
        report.final_orders += 1;
    } else {
        report.not_final += 1;
    }
    let Some((status, cents)) = payment else {
        report.lost += 1;
        report.find(format!(
            "order {id} is {state} and the transactions service knows nothing of it"
        ));
        return;
    };
    let charged = status == "charged";
    let consistent = match state {
        OrderState::Received => true,
        OrderState::Rejected => !charged,
        _ => charged,
    };
    if !consistent || *cents != total_cents {
        report.charged_wrongly += 1;
        report.find(format!(
            "order {id} is {state}, costs {total_cents}, its payment of {cents} is {status}"
        ));
    }
}

async fn check_doubles(data_dir: &Path, report: &mut Report) -> Result<()> {
    let twice: Vec<(String, i64)> = rows(
        data_dir,
        Service::Analytics,
        "SELECT order_id, count(*) FROM facts WHERE event_type LIKE '%.order_confirmed.%' GROUP BY order_id \
         HAVING count(*) > 1",
    )
    .await?;
    for (id, times) in twice {
        report.charged_twice += 1;
        report.find(format!("order {id} was confirmed {times} times"));
    }
    let accounts: Vec<(String, i64, i64)> = rows(
        data_dir,
        Service::Transactions,
        "SELECT a.customer_id, a.charged_cents, coalesce((SELECT sum(p.amount_cents) FROM payments p \
         WHERE p.customer_id = a.customer_id AND p.status = 'charged'), 0) AS paid FROM accounts a \
         WHERE a.charged_cents <> paid",
    )
    .await?;
    for (customer, charged, paid) in accounts {
        report.charged_twice += 1;
        report.find(format!(
            "account {customer} was charged {charged}, its payments make {paid}"
        ));
    }
    Ok(())
}

/// The rows of a query, none where the service never ran.
async fn rows<T>(data_dir: &Path, service: Service, sql: impl SqlSafeStr) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    let path = database_file(data_dir, service);
    if !path.exists() {
        return Ok(Vec::new());
    }
    // Not read-only: the first reader after a kill brings the write-ahead log in order.
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(Duration::from_secs(20));
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("open {}", path.display()))?;
    let rows = sqlx::query_as(sql)
        .fetch_all(&mut connection)
        .await
        .with_context(|| format!("read {}", path.display()))?;
    connection.close().await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{check, check_acknowledged};
    use crate::database::{Database, FRAMEWORK, Schema};
    use crate::service::Service;
    use crate::settings::database_file;
    use crate::{orders, transactions};

    async fn open(directory: &Path, service: Service, schema: Schema) -> Database {
        Database::open(&database_file(directory, service), &[FRAMEWORK, schema])
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_acknowledged_order_that_is_not_there_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let orders = open(path, Service::Orders, orders::SCHEMA).await;
        sqlx::query(
            "INSERT INTO orders (id, customer_id, state, items, total_cents, created_at_ms, updated_at_ms, idempotency_key, request) \
             VALUES ('o-1', 'c', 'rejected', '[]', 700, 1, 1, 'k', '{}')",
        )
        .execute(orders.relaxed())
        .await
        .unwrap();
        let transactions = open(path, Service::Transactions, transactions::SCHEMA).await;
        sqlx::query(
            "INSERT INTO payments (order_id, payment_id, customer_id, amount_cents, status, at_ms) \
             VALUES ('o-1', 'p', 'c', 700, 'declined', 1)",
        )
        .execute(transactions.relaxed())
        .await
        .unwrap();
        orders.close().await;
        transactions.close().await;

        let there = "o-1".to_owned();
        let gone = "o-2".to_owned();
        for acknowledged in [
            vec![],
            vec![there.clone()],
            vec![there.clone(), there.clone()],
        ] {
            let report = check_acknowledged(path, &acknowledged).await.unwrap();
            assert!(report.holds(), "{report:?}");
            assert_eq!((report.orders, report.final_orders, report.lost), (1, 1, 0));
        }
        let report = check_acknowledged(path, &[there, gone.clone(), gone])
            .await
            .unwrap();
        assert!(!report.holds());
        assert_eq!((report.orders, report.lost), (1, 1), "an id counts once");
        assert_eq!(
            report.findings,
            ["order o-2 was acknowledged and is not in orders.db"]
        );
        assert!(check(path).await.unwrap().holds());
    }
}
