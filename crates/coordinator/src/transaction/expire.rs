//! Transactions that take too long, and transactional ids that nobody uses any more.

use super::TWO_PHASE_COMMIT_TIMEOUT_MS;
use super::coordinator::{Timer, TransactionCoordinator, Turn};
use super::state::TransactionState;

/// Ids forgotten in one batch, and bytes of them, so that a batch stays within what the partition
/// takes.
const EXPIRED_PER_TURN: usize = 500;
const EXPIRED_BYTES_PER_TURN: usize = 256 << 10;
/// When the next of them come. If the log refuses them, they are tried again no more often.
const NEXT_EXPIRED_MS: i64 = 100;

impl TransactionCoordinator {
    /// Has each transaction that is over its time aborted in a turn of its own.
    pub(super) fn find_timed_out(&mut self, now_ms: i64) {
        let timed_out = self.transactions.iter().filter(|(_, transaction)| {
            transaction.state == TransactionState::Ongoing
                && transaction.timeout_ms != TWO_PHASE_COMMIT_TIMEOUT_MS
                && transaction
                    .start_ms
                    .saturating_add(i64::from(transaction.timeout_ms))
                    < now_ms
        });
        let timed_out: Vec<String> = timed_out.map(|(id, _)| id.clone()).collect();
        for transactional_id in timed_out {
            self.timers
                .schedule(Timer::Abort { transactional_id }, now_ms);
        }
        let interval_ms = self.config.abort_timed_out_interval_ms;
        self.schedule_in(Timer::FindTimedOut, now_ms, interval_ms);
    }

    /// Aborts a transaction that was found to take too long, if nobody has ended it meanwhile.
    pub(super) fn abort_timed_out(&mut self, turn: &mut Turn, transactional_id: &str, now_ms: i64) {
        let is_over = self
            .transactions
            .get(transactional_id)
            .is_some_and(|transaction| {
                let deadline_ms = transaction.start_ms + i64::from(transaction.timeout_ms);
                deadline_ms < now_ms
            });
        if is_over {
            self.abort_and_fence(turn, transactional_id, now_ms);
        }
    }

    /// Forgets ids that have not been used for long. What does not fit into one batch comes next.
    pub(super) fn remove_expired(&mut self, turn: &mut Turn, now_ms: i64) {
        let latest_ms = now_ms.saturating_sub(self.config.transactional_id_expiration_ms);
        let expired = self.transactions.iter().filter(|(_, transaction)| {
            transaction.state.may_expire() && transaction.last_update_ms <= latest_ms
        });
        let mut bytes = 0;
        let mut delay_ms = self.config.remove_expired_interval_ms;
        let mut batch = Vec::new();
        for (transactional_id, _) in expired {
            if batch.len() >= EXPIRED_PER_TURN || bytes >= EXPIRED_BYTES_PER_TURN {
                delay_ms = NEXT_EXPIRED_MS.min(delay_ms);
                break;
            }
            bytes += transactional_id.len();
            batch.push(transactional_id.clone());
        }
        for transactional_id in &batch {
            self.append_tombstone(turn, transactional_id);
        }
        self.schedule_in(Timer::RemoveExpired, now_ms, delay_ms);
    }
}
