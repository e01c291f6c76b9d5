//! Changes to the quotas of clients; what they mean is decided in [`crate::quotas`].

use headwater_log::Position;

use super::record::MetadataRecord;
use super::{Change, Metadata, Refused};
use crate::quotas::{Alteration, alter};

impl Metadata {
    /// Makes every change that can be made, and tells of each whether it could. All that is made is
    /// one batch: none or all of it lasts.
    pub(crate) fn alter_client_quotas(
        &self,
        alterations: &[Alteration],
        change: Change,
    ) -> Result<(Position, Vec<Result<(), Refused>>), Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let (records, results) = alter(image.client_quotas(), alterations);
        let position = match change {
            Change::Validate => Position::ZERO,
            Change::Apply => {
                let records: Vec<_> = records
                    .into_iter()
                    .map(MetadataRecord::ClientQuota)
                    .collect();
                self.commit(&mut writer, &image, &records)?
            }
        };
        Ok((position, results))
    }
}
