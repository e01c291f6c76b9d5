//! `AlterUserScramCredentials`, version 0.
//!
//! Each user is decided on its own, and may be named once. The client sends the password salted
//! and iterated; what is stored of it cannot be used to log in.

use std::collections::BTreeMap;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Image, Refused, ScramChange};
use crate::reply::Reply;
use crate::security::{Operation, ScramCredential, ScramMechanism};

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: AlterUserScramCredentialsRequest,
) -> Reply<AlterUserScramCredentialsResponse> {
    let mut decided = decide(&context.metadata.image(), &request);
    if !context
        .authorizer
        .allows_cluster(connection, Operation::Alter)
    {
        let code = ErrorCode::ClusterAuthorizationFailed;
        for decision in decided.values_mut() {
            *decision = Err(Refused::new(code, "Cluster authorization failed."));
        }
    }
    let changes: Vec<ScramChange> = decided.values().flatten().cloned().collect();
    let altered = context.metadata.alter_scram_credentials(&changes);
    let results = decided
        .iter()
        .map(|(user, decision)| match (decision, &altered) {
            (Err(refused), _) | (Ok(_), Err(refused)) => AlterUserScramCredentialsResult {
                user: user.clone(),
                error_code: refused.code.into(),
                error_message: Some(refused.message.clone()),
            },
            (Ok(_), Ok(_)) => AlterUserScramCredentialsResult {
                user: user.clone(),
                ..AlterUserScramCredentialsResult::default()
            },
        })
        .collect();
    let response = AlterUserScramCredentialsResponse {
        results,
        ..AlterUserScramCredentialsResponse::default()
    };
    let position = altered.unwrap_or_default();
    when_durable(context, position, version, request, response)
}

/// What becomes of each user.
fn decide(
    image: &Image,
    request: &AlterUserScramCredentialsRequest,
) -> BTreeMap<String, Result<ScramChange, Refused>> {
    let mut decided = BTreeMap::new();
    let mut decide = |user: &str, decision: Result<ScramChange, Refused>| {
        decided
            .entry(user.to_owned())
            .and_modify(|earlier: &mut Result<ScramChange, Refused>| {
                if earlier.is_ok() {
                    let reason = "A user credential cannot be altered twice in the same request";
                    *earlier = Err(Refused::new(ErrorCode::DuplicateResource, reason));
                }
            })
            .or_insert(decision);
    };
    for deletion in &request.deletions {
        let user = &deletion.name;
        let decision = checked(user, deletion.mechanism).and_then(|mechanism| {
            if image.scram_credential(user, mechanism).is_none() {
                let reason = "Attempt to delete a user credential that does not exist";
                return Err(Refused::new(ErrorCode::ResourceNotFound, reason));
            }
            Ok(ScramChange {
                user: user.clone(),
                mechanism,
                credential: None,
            })
        });
        decide(user, decision);
    }
    for upsertion in &request.upsertions {
        let user = &upsertion.name;
        let decision = checked(user, upsertion.mechanism).and_then(|mechanism| {
            check_iterations(upsertion.iterations)?;
            let (salt, iterations) = (upsertion.salt.clone(), upsertion.iterations);
            let salted = &upsertion.salted_password;
            let credential =
                ScramCredential::from_salted_password(mechanism, salted, salt, iterations);
            Ok(ScramChange {
                user: user.clone(),
                mechanism,
                credential: Some(credential),
            })
        });
        decide(user, decision);
    }
    decided
}

fn checked(user: &str, mechanism: i8) -> Result<ScramMechanism, Refused> {
    if user.is_empty() {
        let reason = "Username must not be empty";
        return Err(Refused::new(ErrorCode::UnacceptableCredential, reason));
    }
    ScramMechanism::from_wire(mechanism).ok_or_else(|| {
        let reason = "Unknown SCRAM mechanism";
        Refused::new(ErrorCode::UnsupportedSaslMechanism, reason)
    })
}

fn check_iterations(iterations: i32) -> Result<(), Refused> {
    let refuse = |reason| Err(Refused::new(ErrorCode::UnacceptableCredential, reason));
    if iterations < ScramMechanism::MIN_ITERATIONS {
        return refuse("Too few iterations");
    }
    if iterations > ScramMechanism::MAX_ITERATIONS {
        return refuse("Too many iterations");
    }
    Ok(())
}
