//! One service's SQLite file: how it is opened, how its schema moves forward, who may write.
//!
//! Owns the connections. Writers queue for one connection, so that SQLite never refuses a write because another is
//! under way; what is committed through it is on disk. Never holds statements of a service's own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

/// How long a writer waits for one of another process, such as a verification.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
const READERS: u32 = 2;

/// A schema that moves forward on its own: what is shared by all services, or one service's tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// Its name in `schema_versions`.
    pub(crate) name: &'static str,
    /// One script per version, the first makes version 1.
    pub(crate) versions: &'static [&'static str],
}

/// What every service has.
pub(crate) const FRAMEWORK: Schema = Schema {
    name: "framework",
    versions: &[include_str!("../schema/framework_1.sql")],
};

/// One service's SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    writer: SqlitePool,
    relaxed: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens or makes the file and brings these schemas to their newest version.
    pub(crate) async fn open(path: &Path, schemas: &[Schema]) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let writer = pool(1)
            .connect_with(options.clone().synchronous(SqliteSynchronous::Full))
            .await
            .with_context(|| format!("open the database {}", path.display()))?;
        let database = Self {
            writer,
            relaxed: pool(1)
                .connect_lazy_with(options.clone().synchronous(SqliteSynchronous::Normal)),
            readers: pool(READERS).connect_lazy_with(options),
        };
        for schema in schemas {
            database
                .migrate(*schema)
                .await
                .with_context(|| format!("bring {} of {} forward", schema.name, path.display()))?;
        }
        Ok(database)
    }

    /// Begins a transaction that may write. It is on disk once it is committed.
    pub(crate) async fn write(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// For writes that may be undone by a power failure (never by a killed process), because they are repeated then.
    pub(crate) fn relaxed(&self) -> &SqlitePool {
        &self.relaxed
    }

    /// For reading beside writers.
    pub(crate) fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Closes all connections; the last one folds the write-ahead log into the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.relaxed.close().await;
        self.writer.close().await;
    }

    async fn migrate(&self, schema: Schema) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS schema_versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
        )
        .execute(&mut *tx)
        .await?;
        let found: Option<i64> =
            sqlx::query_scalar("SELECT version FROM schema_versions WHERE name = ?")
                .bind(schema.name)
                .fetch_optional(&mut *tx)
                .await?;
        let found = usize::try_from(found.unwrap_or(0))?;
        ensure!(
            found <= schema.versions.len(),
            "the file has version {found} of {}, this program knows {}: use a newer headwater or another data directory",
            schema.name,
            schema.versions.len()
        );
        for script in &schema.versions[found..] {
            sqlx::raw_sql(*script).execute(&mut *tx).await?;
        }
        sqlx::query(
            "INSERT INTO schema_versions (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = ?2",
        )
        .bind(schema.name)
        .bind(schema.versions.len() as i64)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Adds to a named counter, in the transaction of what is counted.
pub(crate) async fn count(
    connection: &mut SqliteConnection,
    name: &str,
    by: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2",
    )
    .bind(name)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_mins(1))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Database, FRAMEWORK, Schema, count};

    /// A database with these schemas in a directory that lives as long as the value.
    pub(crate) async fn temporary(schemas: &[Schema]) -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut all = vec![FRAMEWORK];
        all.extend_from_slice(schemas);
        let database = Database::open(&directory.path().join("test.db"), &all)
            .await
            .expect("a database");
        (directory, database)
    }

    #[tokio::test]
    async fn a_schema_is_brought_forward_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let first = Schema {
            name: "x",
            versions: &["CREATE TABLE a (n INTEGER)"],
        };
        Database::open(&path, &[first]).await.unwrap().close().await;
        Database::open(&path, &[first]).await.unwrap().close().await;
        let second = Schema {
            name: "x",
            versions: &[
                "CREATE TABLE a (n INTEGER)",
                "ALTER TABLE a ADD COLUMN m INTEGER",
            ],
        };
        let database = Database::open(&path, &[second]).await.unwrap();
        sqlx::query("INSERT INTO a (n, m) VALUES (1, 2)")
            .execute(database.read())
            .await
            .unwrap();
        database.close().await;
        let error = Database::open(&path, &[first]).await.unwrap_err();
        assert!(
            format!("{error:#}").contains("newer headwater"),
            "{error:#}"
        );
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_leaves_nothing() {
        let (_directory, database) = temporary(&[]).await;
        let mut tx = database.write().await.unwrap();
        count(&mut tx, "seen", 1).await.unwrap();
        drop(tx);
        let mut tx = database.write().await.unwrap();
        count(&mut tx, "seen", 1).await.unwrap();
        count(&mut tx, "seen", 1).await.unwrap();
        tx.commit().await.unwrap();
        let value: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'seen'")
            .fetch_one(database.read())
            .await
            .unwrap();
        assert_eq!(value, 2);
    }
}
