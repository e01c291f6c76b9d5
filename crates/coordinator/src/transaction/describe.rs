//! `DescribeTransactions` and `ListTransactions`: what there is, for those who look after it.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData,
    TransactionState as DescribedTransaction,
};
use headwater_protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState as ListedTransaction,
};

use super::Transaction;
use super::coordinator::{TransactionCoordinator, Turn};
use super::state::TransactionState;
use crate::effect::{Call, Effect};

impl TransactionCoordinator {
    pub fn describe_transactions(
        &mut self,
        call: Call,
        request: &DescribeTransactionsRequest,
    ) -> Vec<Effect> {
        let ids = request.transactional_ids.iter();
        let transaction_states = ids
            .map(|transactional_id| match self.find(transactional_id) {
                Ok(transaction) => described(transactional_id, transaction),
                Err(code) => DescribedTransaction {
                    error_code: code.into(),
                    transactional_id: transactional_id.clone(),
                    ..DescribedTransaction::default()
                },
            })
            .collect();
        let mut turn = Turn::default();
        turn.reply(
            call,
            DescribeTransactionsResponse {
                transaction_states,
                ..DescribeTransactionsResponse::default()
            },
        );
        turn.finish()
    }

    /// The transactions of this partition. Patterns and states that there are none of are the
    /// broker's to look at, once for all partitions: `matches` tells whether an id is asked for.
    pub fn list_transactions(
        &mut self,
        call: Call,
        request: &ListTransactionsRequest,
        matches: &dyn Fn(&str) -> bool,
    ) -> Vec<Effect> {
        if let Err(code) = self.check_serving() {
            return Self::refuse(call, request, code);
        }
        let asked_for = |transactional_id: &str, transaction: &Transaction| {
            transaction.state != TransactionState::Dead
                && passes(request, transaction, call.now_ms)
                && matches(transactional_id)
        };
        let listed = self.transactions.iter();
        let listed = listed.filter(|(id, transaction)| asked_for(id, transaction));
        let transaction_states = listed
            .map(|(transactional_id, transaction)| ListedTransaction {
                transactional_id: transactional_id.clone(),
                producer_id: transaction.producer_id,
                transaction_state: transaction.state.name().to_owned(),
            })
            .collect();
        let mut turn = Turn::default();
        turn.reply(
            call,
            ListTransactionsResponse {
                transaction_states,
                ..ListTransactionsResponse::default()
            },
        );
        turn.finish()
    }

    fn find(&self, transactional_id: &str) -> Result<&Transaction, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_serving()?;
        self.transactions
            .get(transactional_id)
            .filter(|transaction| transaction.state != TransactionState::Dead)
            .ok_or(ErrorCode::TransactionalIdNotFound)
    }
}

/// An empty filter lets everything pass, one for states that there are none of lets nothing.
fn passes(request: &ListTransactionsRequest, transaction: &Transaction, now_ms: i64) -> bool {
    let has_producer = request.producer_id_filters.is_empty()
        || request
            .producer_id_filters
            .contains(&transaction.producer_id);
    let state = transaction.state.name();
    let has_state = request.state_filters.is_empty()
        || request.state_filters.iter().any(|filter| filter == state);
    let runs_long = request.duration_filter < 0
        || now_ms.saturating_sub(transaction.start_ms) > request.duration_filter;
    has_producer && has_state && runs_long
}

fn described(transactional_id: &str, transaction: &Transaction) -> DescribedTransaction {
    let topics = transaction.partitions.topics();
    DescribedTransaction {
        error_code: 0,
        transactional_id: transactional_id.to_owned(),
        transaction_state: transaction.state.name().to_owned(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.start_ms,
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        topics: topics
            .map(|(topic, partitions)| TopicData {
                topic: topic.to_owned(),
                partitions: partitions.iter().copied().collect(),
            })
            .collect(),
    }
}
