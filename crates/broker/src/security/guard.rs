//! What a client may have of a request, decided between parsing and the handler.
//!
//! Each API says here what it needs, by Kafka's rules. What is refused is taken out of the request
//! before its handler sees it, and answered as Kafka does; so handlers know nothing of this, and
//! without an authorizer, or for a super user, nothing of it runs. Existing names are never
//! disclosed: who may not describe a topic is refused before anybody looks for it.

mod administration;
mod groups;
mod metadata;
mod topics;
mod transactions;

use std::sync::Arc;

use headwater_protocol::{ErrorCode, Request, Uuid};

use super::acl::{CLUSTER_NAME, Operation, ResourceType};
use super::authorizer::Authorizer;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Metadata;
use crate::reply::Reply;

/// A client before the authorizer; cheap to clone into what a later reply needs.
#[derive(Clone)]
pub(crate) struct Access {
    authorizer: Arc<Authorizer>,
    metadata: Arc<Metadata>,
    connection: ConnectionInfo,
}

impl Access {
    pub(super) fn may(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        self.authorizer
            .allows(&self.connection, operation, kind, name)
    }

    fn topic(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, ResourceType::Topic, name)
    }

    /// A topic by name or, where that is empty, by id. An id that means nothing is the handler's to
    /// refuse.
    fn topic_or_id(&self, operation: Operation, name: &str, id: Uuid) -> bool {
        if !name.is_empty() {
            return self.topic(operation, name);
        }
        let image = self.metadata.image();
        image
            .topic_by_id(id)
            .is_none_or(|topic| self.topic(operation, &topic.name))
    }

    fn group(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, ResourceType::Group, name)
    }

    fn transactional_id(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, ResourceType::TransactionalId, name)
    }

    fn cluster(&self, operation: Operation) -> bool {
        self.may(operation, ResourceType::Cluster, CLUSTER_NAME)
    }

    /// Whether the client may do that to some resource of the kind.
    fn somewhere(&self, operation: Operation, kind: ResourceType) -> bool {
        let (authorizer, connection) = (&self.authorizer, &self.connection);
        authorizer.allows_somewhere(connection, operation, kind)
    }

    /// Takes those operations out of a bit field that the client may not do; one that was not asked
    /// for stays.
    fn limit(&self, operations: &mut i32, kind: ResourceType, name: &str) {
        if *operations != i32::MIN {
            let (authorizer, connection) = (&self.authorizer, &self.connection);
            *operations = authorizer.operations(connection, kind, name, *operations);
        }
    }
}

/// What is done to a response.
type Amendment<R> = Box<dyn FnOnce(&mut R) + Send>;

/// What becomes of a request.
pub(crate) enum Screened<R> {
    /// It goes on as it is.
    Passed,
    /// What is left of it goes on, and its response is amended.
    Partly(Amendment<R>),
    /// It is answered already.
    Refused(R),
    /// It cannot be answered.
    Closed(String),
}

impl<R> Screened<R> {
    /// The request goes on, and this is done to its response.
    fn amended(amendment: impl FnOnce(&mut R) + Send + 'static) -> Screened<R> {
        Screened::Partly(Box::new(amendment))
    }
}

/// A request that some may make and some may not.
pub(crate) trait Guarded: Request {
    /// Takes out what the client may not have.
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response>;
}

/// Begins what the client may have of a request.
pub(crate) fn begin<R>(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    mut request: R,
    begin: fn(&Context, &ConnectionInfo, i16, R) -> Reply<R::Response>,
) -> Reply<R::Response>
where
    R: Guarded,
    R::Response: Send + 'static,
{
    if context.authorizer.allows_all(connection) {
        return begin(context, connection, version, request);
    }
    let access = Access {
        authorizer: Arc::clone(&context.authorizer),
        metadata: Arc::clone(&context.metadata),
        connection: connection.clone(),
    };
    match request.screen(&access, version) {
        Screened::Passed => begin(context, connection, version, request),
        Screened::Refused(response) => Reply::Now(response),
        Screened::Closed(reason) => Reply::Close(reason),
        Screened::Partly(amend) => match begin(context, connection, version, request) {
            Reply::Now(mut response) => {
                amend(&mut response);
                Reply::Now(response)
            }
            Reply::Later(future) => Reply::later(async move {
                let mut response = future.await;
                amend(&mut response);
                response
            }),
            unanswered @ (Reply::Silent | Reply::Close(_)) => unanswered,
        },
    }
}

/// All of the request or nothing.
fn all_or_nothing<R: Request>(
    request: &R,
    version: i16,
    checks: &[(bool, ErrorCode)],
) -> Screened<R::Response> {
    match checks.iter().find(|(allowed, _)| !allowed) {
        Some((_, code)) => Screened::Refused(request.error_response(*code, version)),
        None => Screened::Passed,
    }
}

/// Takes out of `items` what is not `allowed`.
fn withhold<T>(items: &mut Vec<T>, allowed: impl FnMut(&T) -> bool) -> Vec<T> {
    let (kept, refused) = std::mem::take(items).into_iter().partition(allowed);
    *items = kept;
    refused
}

/// Screens a request that lists what it is about: those `$items` that are not `$allowed` get `$code`,
/// as `error_response` has it, at the end of the response's `$results`.
macro_rules! screen_each {
    ($request:ident, $version:expr, $items:ident -> $results:ident, $code:ident, $allowed:expr) => {{
        let refused = $crate::security::guard::withhold(&mut $request.$items, $allowed);
        if refused.is_empty() {
            $crate::security::guard::Screened::Passed
        } else {
            let kept = std::mem::replace(&mut $request.$items, refused);
            let mut answer =
                $request.error_response(headwater_protocol::ErrorCode::$code, $version);
            $request.$items = kept;
            let results = std::mem::take(&mut answer.$results);
            if $request.$items.is_empty() {
                let mut response = <Self as headwater_protocol::Request>::Response::default();
                response.$results = results;
                $crate::security::guard::Screened::Refused(response)
            } else {
                $crate::security::guard::Screened::amended(
                    move |response: &mut <Self as headwater_protocol::Request>::Response| {
                        response.$results.extend(results);
                    },
                )
            }
        }
    }};
}
use screen_each;
