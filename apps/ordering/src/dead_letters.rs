//! Records a service could not understand: kept whole, beside the reason, so that nothing is lost and nothing stops.

use sqlx::SqliteConnection;

use crate::contracts::now_ms;
use crate::kafka::Consumed;

/// Keeps a record with the reason, once per place in the log, and logs it.
pub(crate) async fn record(
    connection: &mut SqliteConnection,
    consumed: &Consumed,
    reason: &str,
) -> sqlx::Result<()> {
    tracing::warn!(
        topic = consumed.topic_name,
        partition = consumed.partition,
        offset = consumed.offset,
        reason,
        "poison record: kept in dead_letters, going on"
    );
    let headers: Vec<(&str, String)> = consumed
        .headers
        .iter()
        .map(|(key, value)| (key.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let headers =
        serde_json::to_string(&headers).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO dead_letters \
         (topic, partition, record_offset, timestamp_ms, record_key, record_value, headers, reason, at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&consumed.topic_name)
    .bind(consumed.partition)
    .bind(consumed.offset)
    .bind(consumed.timestamp_ms)
    .bind(consumed.key.as_deref())
    .bind(consumed.value.as_deref())
    .bind(headers)
    .bind(reason)
    .bind(now_ms())
    .execute(connection)
    .await?;
    Ok(())
}
