//! What the consumer, the producer and the admin client share: a librdkafka instance, its settings, its logs and how
//! its errors are told.
//!
//! librdkafka is seen in this folder, in `raw_record`, `consumer`, `producer` and `admin`, and nowhere else, so that
//! another client can take its place.

mod error;
mod handle;
mod partition_list;
mod settings;

pub(crate) use error::{ClientError, ErrorKind};
pub(crate) use handle::{DeliveryReports, Handle};
pub(crate) use partition_list::{ListedOffset, PartitionList, read as read_list};
pub(crate) use settings::{ClientRole, ClientSettings};
