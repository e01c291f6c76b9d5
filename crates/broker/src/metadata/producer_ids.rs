//! Producer ids, handed out from blocks so that a new one seldom needs a write.

use headwater_log::Position;
use headwater_protocol::ErrorCode;

use super::image::Image;
use super::record::{MetadataRecord, ProducerIdsRecord};
use super::{Metadata, Refused};
use crate::settings::NODE_ID;

/// Ids in a block, as in KRaft. A restart skips what is left of one.
const BLOCK_SIZE: i64 = 1000;

/// What is left of the block last taken.
#[derive(Debug)]
pub(super) struct ProducerIds {
    next: i64,
    end: i64,
    /// Until the block's record is durable, none of its ids may be told.
    position: Position,
}

impl From<&Image> for ProducerIds {
    fn from(image: &Image) -> ProducerIds {
        ProducerIds {
            next: image.next_producer_id(),
            end: image.next_producer_id(),
            position: Position::ZERO,
        }
    }
}

impl Metadata {
    /// A producer id never handed out before, and the position after which it may be told to a client.
    pub(crate) fn next_producer_id(&self) -> Result<(i64, Position), ErrorCode> {
        let mut writer = self.writer();
        if writer.producer_ids.next == writer.producer_ids.end {
            let image = self.image();
            let start = image.next_producer_id();
            let end = start
                .checked_add(BLOCK_SIZE)
                .ok_or(ErrorCode::UnknownServerError)?;
            let record = MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: NODE_ID,
                broker_epoch: -1,
                next_producer_id: end,
            });
            let position = self
                .commit(&mut writer, &image, &[record])
                .map_err(|Refused { code, .. }| code)?;
            writer.producer_ids = ProducerIds {
                next: start,
                end,
                position,
            };
        }
        let id = writer.producer_ids.next;
        writer.producer_ids.next += 1;
        Ok((id, writer.producer_ids.position))
    }
}
