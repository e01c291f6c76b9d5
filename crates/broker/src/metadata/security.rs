//! Access control entries and SCRAM credentials: changed here, kept in the image.

use std::collections::BTreeSet;

use headwater_log::Position;
use headwater_protocol::{Message, Uuid};

use super::image::Image;
use super::record::MetadataRecord;
use super::{Metadata, Refused};
use crate::security::{
    Acl, AclFilter, Operation, PatternType, PermissionType, ResourceType, ScramCredential,
    ScramMechanism,
};

/// An access control entry came to be.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct AccessControlEntryRecord {
    pub(crate) id: Uuid,
    pub(crate) resource_type: i8,
    pub(crate) resource_name: String,
    pub(crate) pattern_type: i8,
    pub(crate) principal: String,
    pub(crate) host: String,
    pub(crate) operation: i8,
    pub(crate) permission_type: i8,
}

/// An access control entry went.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct RemoveAccessControlEntryRecord {
    pub(crate) id: Uuid,
}

/// A user's credential was set.
#[derive(Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct UserScramCredentialRecord {
    pub(crate) name: String,
    pub(crate) mechanism: i8,
    pub(crate) salt: bytes::Bytes,
    pub(crate) stored_key: bytes::Bytes,
    pub(crate) server_key: bytes::Bytes,
    pub(crate) iterations: i32,
}

impl std::fmt::Debug for UserScramCredentialRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of its secrets belongs into a log.
        f.debug_struct("UserScramCredentialRecord")
            .field("name", &self.name)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A user's credential was removed.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct RemoveUserScramCredentialRecord {
    pub(crate) name: String,
    pub(crate) mechanism: i8,
}

/// A credential to set or, with `None`, to remove.
#[derive(Debug, Clone)]
pub(crate) struct ScramChange {
    pub(crate) user: String,
    pub(crate) mechanism: ScramMechanism,
    pub(crate) credential: Option<ScramCredential>,
}

impl Metadata {
    /// Adds the entries that are not there yet, all at once.
    pub(crate) fn create_acls(&self, acls: &[Acl]) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let mut seen: BTreeSet<&Acl> = BTreeSet::new();
        let new: Vec<&Acl> = acls
            .iter()
            .filter(|acl| !image.acls().contains(acl) && seen.insert(acl))
            .collect();
        if new.is_empty() {
            return Ok(image.position());
        }
        let records: Vec<MetadataRecord> = new
            .into_iter()
            .map(|acl| MetadataRecord::AccessControlEntry(entry_record(acl)))
            .collect();
        self.commit(&mut writer, &image, &records)
    }

    /// Removes what the filters match, all at once; what each of them matched.
    pub(crate) fn delete_acls(
        &self,
        filters: &[AclFilter],
    ) -> Result<(Vec<Vec<Acl>>, Position), Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let mut ids = std::collections::BTreeSet::new();
        let matched = filters
            .iter()
            .map(|filter| {
                let matching = image.acls().matching(filter);
                matching
                    .map(|(id, acl)| {
                        ids.insert(id);
                        acl.clone()
                    })
                    .collect()
            })
            .collect();
        if ids.is_empty() {
            return Ok((matched, image.position()));
        }
        let records: Vec<MetadataRecord> = ids
            .into_iter()
            .map(|id| {
                MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id })
            })
            .collect();
        let position = self.commit(&mut writer, &image, &records)?;
        Ok((matched, position))
    }

    /// Sets and removes credentials, all at once.
    pub(crate) fn alter_scram_credentials(
        &self,
        changes: &[ScramChange],
    ) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        if changes.is_empty() {
            return Ok(image.position());
        }
        let records: Vec<MetadataRecord> = changes.iter().map(credential_record).collect();
        self.commit(&mut writer, &image, &records)
    }
}

impl Image {
    /// Applies a record of this file.
    pub(super) fn replay_security(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::AccessControlEntry(record) => {
                if let Some(acl) = entry(record) {
                    self.acls_mut().insert(record.id, acl);
                }
            }
            MetadataRecord::RemoveAccessControlEntry(record) => self.acls_mut().remove(record.id),
            MetadataRecord::UserScramCredential(record) => {
                if let Some(mechanism) = ScramMechanism::from_wire(record.mechanism) {
                    let credential = ScramCredential {
                        salt: record.salt.clone(),
                        stored_key: record.stored_key.clone(),
                        server_key: record.server_key.clone(),
                        iterations: record.iterations,
                    };
                    self.scram_mut()
                        .insert((record.name.clone(), mechanism), credential);
                }
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                if let Some(mechanism) = ScramMechanism::from_wire(record.mechanism) {
                    self.scram_mut().remove(&(record.name.clone(), mechanism));
                }
            }
            _ => {}
        }
    }
}

fn entry_record(acl: &Acl) -> AccessControlEntryRecord {
    AccessControlEntryRecord {
        id: Uuid(*uuid::Uuid::new_v4().as_bytes()),
        resource_type: acl.resource_type as i8,
        resource_name: acl.resource_name.clone(),
        pattern_type: acl.pattern_type as i8,
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation as i8,
        permission_type: acl.permission_type as i8,
    }
}

fn entry(record: &AccessControlEntryRecord) -> Option<Acl> {
    Some(Acl {
        resource_type: ResourceType::from_wire(record.resource_type)?,
        pattern_type: PatternType::from_wire(record.pattern_type)?,
        resource_name: record.resource_name.clone(),
        principal: record.principal.clone(),
        host: record.host.clone(),
        operation: Operation::from_wire(record.operation)?,
        permission_type: PermissionType::from_wire(record.permission_type)?,
    })
}

fn credential_record(change: &ScramChange) -> MetadataRecord {
    let (name, mechanism) = (change.user.clone(), change.mechanism as i8);
    match &change.credential {
        Some(credential) => MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name,
            mechanism,
            salt: credential.salt.clone(),
            stored_key: credential.stored_key.clone(),
            server_key: credential.server_key.clone(),
            iterations: credential.iterations,
        }),
        None => MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
            name,
            mechanism,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_krafts_numbers_and_read_back() {
        let credential = ScramChange {
            user: "bob".to_owned(),
            mechanism: ScramMechanism::Sha512,
            credential: Some(ScramCredential {
                salt: bytes::Bytes::from_static(b"salt"),
                stored_key: bytes::Bytes::from_static(b"stored"),
                server_key: bytes::Bytes::from_static(b"server"),
                iterations: 4096,
            }),
        };
        let removal = ScramChange {
            credential: None,
            ..credential.clone()
        };
        let acl = Acl {
            resource_type: ResourceType::Topic,
            pattern_type: PatternType::Prefixed,
            resource_name: "orders".to_owned(),
            principal: "User:bob".to_owned(),
            host: "*".to_owned(),
            operation: Operation::Read,
            permission_type: PermissionType::Deny,
        };
        let entry = entry_record(&acl);
        assert_eq!(super::entry(&entry), Some(acl));
        let id = entry.id;
        for (api_key, record) in [
            (11, credential_record(&credential)),
            (22, credential_record(&removal)),
            (18, MetadataRecord::AccessControlEntry(entry)),
            (
                19,
                MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id }),
            ),
        ] {
            let value = record.encode().unwrap();
            assert_eq!(value[..3], [1, api_key, 0]);
            assert_eq!(MetadataRecord::decode(Some(value)).unwrap(), record);
        }
    }

    #[test]
    fn a_credential_shows_no_secret_in_a_log() {
        let record = UserScramCredentialRecord {
            name: "bob".to_owned(),
            stored_key: bytes::Bytes::from_static(b"hush"),
            ..UserScramCredentialRecord::default()
        };
        assert!(!format!("{record:?}").contains("hush"));
    }
}
