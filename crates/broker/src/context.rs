//! What a handler may reach: eight narrow handles and nothing else.
//!
//! One more handle needs a line in ARCHITECTURE.md. Handlers never see sockets,
//! files, threads or each other.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::coordinators::{Groups, Transactions};
use crate::fetch_session::FetchSessions;
use crate::metadata::Metadata;
use crate::partitions::Partitions;
use crate::quotas::{Mute, Quotas};
use crate::security::{Authorizer, Session};
use crate::settings::Settings;

/// The handles of one node, cheap to clone into a `Later` future.
#[derive(Clone)]
pub(crate) struct Context {
    /// Logs: appending, reading, waiting for the durable position.
    pub(crate) partitions: Arc<Partitions>,
    /// Topics, configs and producer ids.
    pub(crate) metadata: Arc<Metadata>,
    /// Group coordinators.
    pub(crate) groups: Arc<Groups>,
    /// Transaction coordinators, and writes in transactions.
    pub(crate) transactions: Arc<Transactions>,
    /// What was fixed at start: limits and the advertised listener.
    pub(crate) settings: Arc<Settings>,
    /// Incremental fetch sessions (KIP-227).
    pub(crate) fetch_sessions: Arc<FetchSessions>,
    /// What clients may use, and how long they wait if they used more.
    pub(crate) quotas: Arc<Quotas>,
    /// What clients may do.
    pub(crate) authorizer: Arc<Authorizer>,
}

/// What a handler may know of the connection its request came in on.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionInfo {
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// The address of ours that it dialled: advertised back to it unless the settings name another.
    pub(crate) local: SocketAddr,
    /// `client.id` of the request in hand; empty when the client sent none.
    pub(crate) client_id: Arc<str>,
    /// Until when nothing more is read of it.
    pub(crate) mute: Mute,
    /// Who the client is, once that is known.
    pub(crate) session: Arc<Session>,
}
