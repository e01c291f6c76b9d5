//! `InitProducerId` 0-5: an id and epoch to produce with.
//!
//! Without a transactional id every request gets a new producer id at epoch 0, as in Kafka, even if
//! it names one it had: the client bumps its own epoch and only asks again when it ran out. With one,
//! its coordinator answers: it fences the producer before, after aborting what that had under way.
//! From version 3 on a producer may give the id and epoch it had and goes on after an error
//! (KIP-360); before version 4 `PRODUCER_FENCED` is told as `INVALID_PRODUCER_EPOCH`.

use headwater_protocol::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};
use headwater_protocol::{ErrorCode, Request};
use tracing::warn;

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::throttle::Throttle;

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;

static NOT_DURABLE: Throttle<()> = Throttle::new();

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: InitProducerIdRequest,
) -> Reply<InitProducerIdResponse> {
    if let Err(code) = validate(&request) {
        return Reply::Now(request.error_response(code, version));
    }
    match request.transactional_id.clone() {
        None => idempotent(context),
        Some(transactional_id) => transactional(context, version, &transactional_id, request),
    }
}

fn transactional(
    context: &Context,
    version: i16,
    transactional_id: &str,
    request: InitProducerIdRequest,
) -> Reply<InitProducerIdResponse> {
    let transactions = &context.transactions;
    Reply::Later(transactions.ask(
        transactional_id,
        version,
        request,
        |coordinator, call, request| {
            let mut new_producer_id = || transactions.new_producer_id();
            coordinator.init_producer_id(call, request, &mut new_producer_id)
        },
    ))
}

fn idempotent(context: &Context) -> Reply<InitProducerIdResponse> {
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
    if request.transactional_id.as_deref() == Some("") {
        return Err(ErrorCode::InvalidRequest);
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
    fn a_transactional_id_is_absent_or_not_empty() {
        assert_eq!(validate(&request(Some("payments"), -1, -1)), Ok(()));
        assert_eq!(validate(&request(None, -1, -1)), Ok(()));
        assert_eq!(
            validate(&request(Some(""), -1, -1)),
            Err(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn producer_id_and_epoch_come_together_or_not_at_all() {
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
