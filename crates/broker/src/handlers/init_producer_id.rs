//! `InitProducerId` 0-5: an id for an idempotent producer.
//!
//! Without a transactional id every request gets a new producer id at epoch 0,
//! as in Kafka, even if it names one it had: the client bumps its own epoch and
//! only asks again when it ran out. Transactions are not built: a transactional
//! id is refused with the error that ends the producer instead of making it retry.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};
use tracing::warn;

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::throttle::Throttle;

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;

static NOT_DURABLE: Throttle<()> = Throttle::new();

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    _version: i16,
    request: InitProducerIdRequest,
) -> Reply<InitProducerIdResponse> {
    if let Err(code) = validate(&request) {
        return Reply::Now(refused(code));
    }
    let (producer_id, position) = match context.metadata.next_producer_id() {
        Ok(allocated) => allocated,
        Err(code) => return Reply::Now(refused(code)),
    };
    let partitions = context.partitions.clone();
    Reply::later(async move {
        match partitions.durable(position).await {
            Ok(()) => InitProducerIdResponse {
                producer_id,
                producer_epoch: 0,
                ..InitProducerIdResponse::default()
            },
            Err(poisoned) => {
                if let Some(held_back) = NOT_DURABLE.pass(()) {
                    warn!(held_back, "no producer id: {poisoned}");
                }
                refused(ErrorCode::CoordinatorNotAvailable)
            }
        }
    })
}

fn validate(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    match request.transactional_id.as_deref() {
        Some("") => return Err(ErrorCode::InvalidRequest),
        Some(_) => return Err(ErrorCode::TransactionalIdAuthorizationFailed),
        None => {}
    }
    // Both or neither.
    match (
        request.producer_id == NO_PRODUCER_ID,
        request.producer_epoch == NO_PRODUCER_EPOCH,
    ) {
        (true, true) | (false, false) => Ok(()),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: code.into(),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        ..InitProducerIdResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(
        transactional_id: Option<&str>,
        producer_id: i64,
        producer_epoch: i16,
    ) -> InitProducerIdRequest {
        InitProducerIdRequest {
            transactional_id: transactional_id.map(str::to_owned),
            producer_id,
            producer_epoch,
            ..InitProducerIdRequest::default()
        }
    }

    #[test]
    fn a_transactional_id_ends_the_producer_instead_of_making_it_retry() {
        assert_eq!(
            validate(&request(Some("payments"), -1, -1)),
            Err(ErrorCode::TransactionalIdAuthorizationFailed)
        );
        assert_eq!(
            validate(&request(Some(""), -1, -1)),
            Err(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn producer_id_and_epoch_come_together_or_not_at_all() {
        assert_eq!(validate(&request(None, -1, -1)), Ok(()));
        assert_eq!(validate(&request(None, 7, 3)), Ok(()));
        assert_eq!(
            validate(&request(None, 7, -1)),
            Err(ErrorCode::InvalidRequest)
        );
        assert_eq!(
            validate(&request(None, -1, 3)),
            Err(ErrorCode::InvalidRequest)
        );
    }
}
