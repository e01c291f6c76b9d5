//! Who a client is and what it may do: SASL, SCRAM credentials, ACLs.
//!
//! Owns the exchanges that turn a connection into a principal, and the decision whether a principal
//! may do something. What is durable of it (credentials, access control entries) lives in the
//! metadata image and changes only by its replay. Never touches a socket: `dispatch` asks a
//! connection's [`Session`] what it admits, handlers ask the [`Authorizer`].

mod acl;
mod acls;
mod authorizer;
pub(crate) mod guard;
mod jaas;
mod plain;
mod sasl;
mod scram;
mod scram_credential;
mod security_settings;
mod session;

pub(crate) use self::acl::{
    Acl, AclFilter, CLUSTER_NAME, Operation, PatternType, PermissionType, ResourceType,
};
pub(crate) use self::acls::Acls;
pub(crate) use self::authorizer::Authorizer;
pub(crate) use self::sasl::authenticate;
pub(crate) use self::scram_credential::{ScramCredential, ScramMechanism};
#[cfg(test)]
pub(crate) use self::security_settings::SecurityProtocol;
pub(crate) use self::security_settings::{SecuritySettings, listener};
pub(crate) use self::session::{Session, TokenForm};
