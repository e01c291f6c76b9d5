//! The wait of a reply for what it shows of the metadata to be on disk.

use headwater_log::Position;
use headwater_protocol::{ApiKey, ErrorCode, Request};

use crate::context::Context;
use crate::reply::Reply;
use crate::throttle::Throttle;

static REFUSED: Throttle<ApiKey> = Throttle::new();

/// Sends `response` when everything up to `position` is durable, and refuses all of `request` if it
/// never will be.
pub(super) fn when_durable<R>(
    context: &Context,
    position: Position,
    version: i16,
    request: R,
    response: R::Response,
) -> Reply<R::Response>
where
    R: Request + Send + 'static,
    R::Response: Send + 'static,
{
    if position == Position::ZERO {
        return Reply::Now(response);
    }
    let (partitions, metadata) = (context.partitions.clone(), context.metadata.clone());
    Reply::later(async move {
        match partitions.durable(position).await {
            Ok(()) => response,
            Err(poisoned) => {
                if let Some(held_back) = REFUSED.pass(R::KEY) {
                    tracing::warn!(api = ?R::KEY, held_back, %poisoned, "refusing a request");
                }
                metadata.go_back_to_durable();
                request.error_response(ErrorCode::KafkaStorageError, version)
            }
        }
    })
}
