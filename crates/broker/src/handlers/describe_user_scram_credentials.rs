//! `DescribeUserScramCredentials`, version 0.
//!
//! Mechanisms and iterations, never a secret. Without users, or with none listed, all that have a
//! credential.

use std::collections::BTreeMap;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Image;
use crate::reply::Reply;
use crate::security::{Operation, ScramMechanism};

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: DescribeUserScramCredentialsRequest,
) -> Reply<DescribeUserScramCredentialsResponse> {
    if !context
        .authorizer
        .allows_cluster(connection, Operation::Describe)
    {
        return Reply::Now(DescribeUserScramCredentialsResponse {
            error_code: ErrorCode::ClusterAuthorizationFailed.into(),
            error_message: Some("Cluster authorization failed.".to_owned()),
            ..DescribeUserScramCredentialsResponse::default()
        });
    }
    let image = context.metadata.image();
    let mut times_named: BTreeMap<&str, usize> = BTreeMap::new();
    let asked = request.users.as_deref().unwrap_or_default();
    if asked.is_empty() {
        times_named.extend(image.scram_users().map(|user| (user, 1)));
    }
    for user in asked {
        *times_named.entry(user.name.as_str()).or_default() += 1;
    }
    let results = times_named
        .into_iter()
        .map(|(user, times)| match times {
            1 => described(&image, user),
            _ => refused(
                user,
                ErrorCode::DuplicateResource,
                "Cannot describe SCRAM credentials for the same user twice in a single request: ",
            ),
        })
        .collect();
    let response = DescribeUserScramCredentialsResponse {
        results,
        ..DescribeUserScramCredentialsResponse::default()
    };
    when_durable(context, image.position(), version, request, response)
}

fn described(image: &Image, user: &str) -> DescribeUserScramCredentialsResult {
    let credential_infos: Vec<CredentialInfo> = ScramMechanism::ALL
        .into_iter()
        .filter_map(|mechanism| {
            let credential = image.scram_credential(user, mechanism)?;
            Some(CredentialInfo {
                mechanism: mechanism as i8,
                iterations: credential.iterations,
            })
        })
        .collect();
    if credential_infos.is_empty() {
        let reason = "Attempt to describe a user credential that does not exist: ";
        return refused(user, ErrorCode::ResourceNotFound, reason);
    }
    DescribeUserScramCredentialsResult {
        user: user.to_owned(),
        credential_infos,
        ..DescribeUserScramCredentialsResult::default()
    }
}

fn refused(user: &str, code: ErrorCode, reason: &str) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult {
        user: user.to_owned(),
        error_code: code.into(),
        error_message: Some(format!("{reason}{user}")),
        ..DescribeUserScramCredentialsResult::default()
    }
}
