//! May this client do that? The handle by which handlers ask.
//!
//! Super users may do anything; then a deny entry outweighs an allow entry, and a resource without
//! any entry is for nobody, unless `allow.everyone.if.no.acl.found` says that it is for all.

use std::sync::Arc;

use super::acl::{CLUSTER_NAME, Operation, ResourceType};
use super::acls::Verdict;
use super::security_settings::AuthorizerSettings;
use crate::context::ConnectionInfo;
use crate::metadata::Metadata;
use crate::settings::Settings;

/// Decides by the settings and by the entries in the metadata.
pub(crate) struct Authorizer {
    metadata: Arc<Metadata>,
    settings: Arc<Settings>,
}

impl Authorizer {
    pub(crate) fn new(metadata: Arc<Metadata>, settings: Arc<Settings>) -> Authorizer {
        Authorizer { metadata, settings }
    }

    /// Whether `authorizer.class.name` names one; without, everybody may do everything.
    pub(crate) fn is_configured(&self) -> bool {
        self.rules().is_some()
    }

    /// Whether nothing needs to be asked: there is no authorizer, or the client is a super user.
    pub(crate) fn allows_all(&self, connection: &ConnectionInfo) -> bool {
        self.rules()
            .is_none_or(|rules| rules.super_users.contains(&*connection.session.principal()))
    }

    /// Whether the client may do that to the resource of that name.
    pub(crate) fn allows(
        &self,
        connection: &ConnectionInfo,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> bool {
        let Some(rules) = self.rules() else {
            return true;
        };
        let principal = connection.session.principal();
        if rules.super_users.contains(&*principal) {
            return true;
        }
        let host = connection.peer.ip().to_canonical().to_string();
        let image = self.metadata.image();
        let verdict = image
            .acls()
            .verdict(&principal, &host, operation, resource_type, name);
        match verdict {
            Verdict::Allowed => true,
            Verdict::Unprotected if rules.allow_everyone_if_no_acl_found => true,
            Verdict::Unprotected | Verdict::Unmentioned | Verdict::Denied => {
                tracing::info!(%principal, %host, ?operation, ?resource_type, name, "denied");
                false
            }
        }
    }

    /// Whether the client may do that to the cluster.
    pub(crate) fn allows_cluster(&self, connection: &ConnectionInfo, operation: Operation) -> bool {
        self.allows(connection, operation, ResourceType::Cluster, CLUSTER_NAME)
    }

    /// Whether the client may do that to at least one resource of the type (KIP-679).
    pub(crate) fn allows_somewhere(
        &self,
        connection: &ConnectionInfo,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        if !self.is_configured() {
            return true;
        }
        // Super users, wildcards, and resources that nothing protects: by a name that means nothing.
        if self.allows(connection, operation, resource_type, "hardcode") {
            return true;
        }
        let principal = connection.session.principal();
        let host = connection.peer.ip().to_canonical().to_string();
        let image = self.metadata.image();
        image
            .acls()
            .allow_somewhere(&principal, &host, operation, resource_type)
    }

    /// The operations of `candidates` that the client may do, as the bit field of responses.
    pub(crate) fn operations(
        &self,
        connection: &ConnectionInfo,
        resource_type: ResourceType,
        name: &str,
        candidates: i32,
    ) -> i32 {
        if !self.is_configured() {
            return candidates;
        }
        (0..16)
            .filter(|number| candidates & (1 << number) != 0)
            .filter_map(Operation::from_wire)
            .filter(|operation| self.allows(connection, *operation, resource_type, name))
            .fold(0, |field, operation| field | 1 << operation as i8)
    }

    fn rules(&self) -> Option<&AuthorizerSettings> {
        self.settings.security.authorizer.as_ref()
    }
}
