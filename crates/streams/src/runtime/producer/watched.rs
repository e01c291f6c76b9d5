//! Records that are looked at before and after they are sent: against the limits of their topic, and against what the
//! cluster refused before.

use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::refusals::{self, Print, Verdict};
use super::{MAX_COMMIT, Producer, deliveries};
use crate::collector::Outgoing;
use crate::runtime::client::{ClientError, ErrorKind};
use crate::runtime::topic_limits::batch_bytes;

impl Producer {
    /// Takes the place of another, and remembers what the cluster refused of that.
    pub(crate) fn succeed(mut self, predecessor: &mut Self) -> Result<(), ClientError> {
        // A print has the index of its topic.
        for topic in &predecessor.topics {
            self.topic(&topic.name)?;
        }
        predecessor.forget_failures();
        self.refusals = std::mem::take(&mut predecessor.refusals);
        *predecessor = self;
        Ok(())
    }

    /// Refuses what the topic is known not to take.
    pub(super) fn check_limits(
        &self,
        index: usize,
        record: &Outgoing<'_>,
    ) -> Result<(), ClientError> {
        let Some(limits) = &self.topics[index].limits else {
            return Ok(());
        };
        if limits.is_compacted && record.key.is_none() {
            return Err(self.refusal(index, record, Code::RD_KAFKA_RESP_ERR_INVALID_RECORD));
        }
        if let Some(most) = limits.max_message_bytes
            && batch_bytes(record) > most
        {
            return Err(self.refusal(index, record, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE));
        }
        Ok(())
    }

    /// Sends a record while some are remembered that were refused: one of those is refused at once, or sent alone.
    pub(super) fn produce_watched(
        &mut self,
        index: usize,
        record: &Outgoing<'_>,
    ) -> Result<(), ClientError> {
        let print = Print::of_outgoing(index, record);
        match self.refusals.meet(print) {
            None => self.hand_over(index, record),
            Some((code, Verdict::Refused)) => Err(self.refusal(index, record, code)),
            Some((_, Verdict::Suspected)) => self.produce_alone(index, record, print),
        }
    }

    fn produce_alone(
        &mut self,
        index: usize,
        record: &Outgoing<'_>,
        print: Print,
    ) -> Result<(), ClientError> {
        self.send_all()?;
        self.failed()?;
        self.hand_over(index, record)?;
        self.send_all()?;
        let refused = self.deliveries.borrow_mut().take_refused();
        let Some(refused) = refused.into_iter().find(|refused| refused.print == print) else {
            self.failed()?;
            self.refusals.acquit(print);
            return Ok(());
        };
        self.refusals.convict(print, refused.code);
        if self.is_transactional() {
            // The transaction went with it: the record is refused when it comes again in the next.
            return self.failed();
        }
        self.deliveries.borrow_mut().forget();
        Err(self.refusal(index, record, refused.code))
    }

    fn send_all(&mut self) -> Result<(), ClientError> {
        let code = self.drain(MAX_COMMIT);
        let sent = ClientError::check(code, || "sending what waits".to_owned());
        self.note(sent)
    }

    /// What a record at hand is refused with: its policy may drop it, and nothing is lost but that.
    pub(super) fn refusal(&self, index: usize, record: &Outgoing<'_>, code: Code) -> ClientError {
        let action = format!("writing to {}-{}", record.topic, record.partition);
        let mut error = ClientError::of_code(action, code);
        let limits = self.topics[index].limits;
        let remedy = refusals::remedy(code);
        if matches!(
            code,
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                | Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
        ) {
            let size = batch_bytes(record);
            let most = limits.and_then(|limits| limits.max_message_bytes);
            error.reason = match most {
                Some(most) if size > most => format!(
                    "the record takes {size} bytes, and the topic {most} at most (max.message.bytes): {remedy}"
                ),
                // The client's own limit, or one that the topic was given since.
                _ => format!(
                    "the record takes {size} bytes, more than the topic's max.message.bytes, or than the client \
                     sends (`producer.message.max.bytes`, to be set with App::set): {remedy}"
                ),
            };
        } else if !remedy.is_empty() {
            error.reason = format!("{}: {remedy}", error.reason);
        }
        error
    }

    /// Remembers what was refused, and takes no other failure for one of what is sent from now on.
    pub(super) fn forget_failures(&mut self) {
        let mut deliveries = self.deliveries.borrow_mut();
        deliveries.forget();
        self.refusals.add(deliveries.take_refused());
        self.refusals.aborted();
    }

    /// The first delivery that failed since the last commit.
    pub(super) fn failed(&mut self) -> Result<(), ClientError> {
        let failed = self.deliveries.borrow_mut().take_failed();
        let Some(failed) = failed else {
            return Ok(());
        };
        let topic = &self.topics[failed.topic];
        let action = format!("writing to {}-{}", topic.name, failed.partition);
        if let Some(mut fatal) = self.handle.fatal_error() {
            fatal.action = action;
            let fatal = self.remember_missing(fatal);
            return self.note(Err(fatal));
        }
        let mut error = ClientError::of_code(action, failed.code);
        if refusals::is_refusal(failed.code) {
            let refused = self.deliveries.borrow_mut().take_refused();
            self.refusals.add(refused);
            error.kind = ErrorKind::Refused;
            if !self.refusals.begin_round() {
                error.kind = ErrorKind::Fatal;
                error.reason = format!(
                    "{}, and the record does not come again when its input is processed again, so that no policy \
                     can be applied to it: {}",
                    error.reason,
                    refusals::remedy(failed.code)
                );
            }
        } else if self.is_transactional()
            && (error.kind == ErrorKind::Retriable || deliveries::is_lost(failed.code))
        {
            // librdkafka tried for as long as it may: the transaction is lost, not the producer. Neither the
            // producer nor the record is to blame for what went with it, or for a gap in the sequence.
            error.kind = ErrorKind::AbortTransaction;
        } else {
            let remedy = refusals::remedy(failed.code);
            if !remedy.is_empty() {
                error.reason = format!("{}: {remedy}", error.reason);
            }
        }
        let error = self.remember_missing(error);
        self.note(Err(error))
    }

    /// Remembers that a record did not arrive.
    pub(super) fn remember_missing(&mut self, error: ClientError) -> ClientError {
        self.missing.get_or_insert_with(|| error.clone());
        error
    }
}
