//! The cluster as a whole, its configs and quotas; and what needs no leave, or asks for it itself.

use headwater_protocol::messages::alter_client_quotas::AlterClientQuotasRequest;
use headwater_protocol::messages::alter_configs::AlterConfigsRequest;
use headwater_protocol::messages::alter_user_scram_credentials::AlterUserScramCredentialsRequest;
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::create_acls::CreateAclsRequest;
use headwater_protocol::messages::delete_acls::DeleteAclsRequest;
use headwater_protocol::messages::describe_acls::DescribeAclsRequest;
use headwater_protocol::messages::describe_client_quotas::DescribeClientQuotasRequest;
use headwater_protocol::messages::describe_configs::DescribeConfigsRequest;
use headwater_protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use headwater_protocol::messages::describe_quorum::DescribeQuorumRequest;
use headwater_protocol::messages::describe_user_scram_credentials::DescribeUserScramCredentialsRequest;
use headwater_protocol::messages::elect_leaders::ElectLeadersRequest;
use headwater_protocol::messages::incremental_alter_configs::IncrementalAlterConfigsRequest;
use headwater_protocol::messages::list_config_resources::ListConfigResourcesRequest;
use headwater_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use headwater_protocol::messages::sasl_authenticate::SaslAuthenticateRequest;
use headwater_protocol::messages::sasl_handshake::SaslHandshakeRequest;
use headwater_protocol::messages::update_features::UpdateFeaturesRequest;
use headwater_protocol::{ErrorCode, Request};

use super::{Access, Guarded, Screened, all_or_nothing, withhold};
use crate::security::acl::Operation;

/// Requests that need one operation on the cluster.
macro_rules! of_the_cluster {
    ($($request:ident $operation:ident)*) => {$(
        impl Guarded for $request {
            fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
                let allowed = access.cluster(Operation::$operation);
                let code = ErrorCode::ClusterAuthorizationFailed;
                all_or_nothing(self, version, &[(allowed, code)])
            }
        }
    )*};
}

of_the_cluster! {
    AlterClientQuotasRequest AlterConfigs
    DescribeClientQuotasRequest DescribeConfigs
    DescribeLogDirsRequest Describe
    DescribeQuorumRequest Describe
    ElectLeadersRequest Alter
    ListConfigResourcesRequest DescribeConfigs
    ListPartitionReassignmentsRequest Describe
    UpdateFeaturesRequest Alter
}

/// Requests that everybody may make, or whose handlers ask the authorizer themselves since they
/// answer for its absence too.
macro_rules! unguarded {
    ($($request:ident)*) => {$(
        impl Guarded for $request {
            fn screen(&mut self, _access: &Access, _version: i16) -> Screened<Self::Response> {
                Screened::Passed
            }
        }
    )*};
}

unguarded! {
    AlterUserScramCredentialsRequest
    ApiVersionsRequest
    CreateAclsRequest
    DeleteAclsRequest
    DescribeAclsRequest
    DescribeUserScramCredentialsRequest
    SaslAuthenticateRequest
    SaslHandshakeRequest
}

const TOPIC: i8 = 2;
const GROUP: i8 = 32;

/// Whether the client may do that to the configs of a resource, and what it is told if not.
fn config_access(
    access: &Access,
    operation: Operation,
    resource_type: i8,
    name: &str,
) -> Result<(), ErrorCode> {
    let (allowed, code) = match resource_type {
        TOPIC => (
            access.topic(operation, name),
            ErrorCode::TopicAuthorizationFailed,
        ),
        GROUP => (
            access.group(operation, name),
            ErrorCode::GroupAuthorizationFailed,
        ),
        _ => (
            access.cluster(operation),
            ErrorCode::ClusterAuthorizationFailed,
        ),
    };
    if allowed { Ok(()) } else { Err(code) }
}

/// Requests about the configs of several resources.
macro_rules! of_configs {
    ($($request:ident $operation:ident $results:ident)*) => {$(
        impl Guarded for $request {
            fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
                let mut refused = Vec::new();
                let withheld = withhold(&mut self.resources, |resource| {
                    let (kind, name) = (resource.resource_type, &resource.resource_name);
                    let access = config_access(access, Operation::$operation, kind, name);
                    refused.extend(access.err());
                    access.is_ok()
                });
                let results: Vec<_> = withheld
                    .into_iter()
                    .zip(refused)
                    .flat_map(|(resource, code)| {
                        let alone = Self { resources: vec![resource], ..Self::default() };
                        alone.error_response(code, version).$results
                    })
                    .collect();
                if results.is_empty() {
                    return Screened::Passed;
                }
                Screened::amended(|response: &mut Self::Response| response.$results.extend(results))
            }
        }
    )*};
}

of_configs! {
    AlterConfigsRequest AlterConfigs responses
    DescribeConfigsRequest DescribeConfigs results
    IncrementalAlterConfigsRequest AlterConfigs responses
}
