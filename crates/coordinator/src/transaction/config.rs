//! The settings of transactions, named as Kafka names them, with Kafka's defaults.

/// What the broker's configuration says about transactions, and the limit that is our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub transactional_id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_timed_out_interval_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub remove_expired_interval_ms: i64,
    /// How long the markers that could not be appended wait for the next attempt.
    pub marker_retry_ms: i64,
    /// Transactional ids of one coordinator. Ours: Kafka has no such limit.
    pub max_transactional_ids: usize,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            max_timeout_ms: 900_000,
            transactional_id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            abort_timed_out_interval_ms: 10_000,
            remove_expired_interval_ms: 3_600_000,
            marker_retry_ms: 200,
            max_transactional_ids: 100_000,
        }
    }
}
