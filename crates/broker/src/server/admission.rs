//! Which connections may come to be: `max.connections`, `max.connections.per.ip` with its overrides
//! and `max.connection.creation.rate`, each read anew for every connection.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::address_limits;
use crate::file_handles;
use crate::metadata::Metadata;

const SECOND: Duration = Duration::from_secs(1);

/// Which limit a connection is above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    Node,
    Address,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => {
                "the node has as many as max.connections and its limit on open files allow"
            }
            Self::Address => "its address has as many as max.connections.per.ip allows",
        })
    }
}

/// How many connections each address has open; an address without one has no entry.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// What decides on connections.
pub(super) struct Admission {
    metadata: Arc<Metadata>,
    open: Open,
    /// When the second began that is being counted, and how many connections it has had.
    second: (Instant, u64),
}

/// One connection's place; dropping it makes room.
pub(super) struct Admitted {
    open: Open,
    address: IpAddr,
}

impl Admission {
    pub(super) fn new(metadata: Arc<Metadata>) -> Admission {
        Admission {
            metadata,
            open: Open::default(),
            second: (Instant::now(), 0),
        }
    }

    /// Returns when another connection may be made without going above the rate.
    pub(super) async fn turn(&mut self) {
        let passed = self.second.0.elapsed();
        if passed >= SECOND {
            self.second = (Instant::now(), 0);
            return;
        }
        let rate = self.metadata.number("max.connection.creation.rate");
        if self.second.1 >= u64::try_from(rate).unwrap_or_default() {
            tokio::time::sleep(SECOND.saturating_sub(passed)).await;
            self.second = (Instant::now(), 0);
        }
    }

    /// A place for a connection from `address`, if there is one.
    pub(super) fn admit(&mut self, address: IpAddr) -> Result<Admitted, Refusal> {
        let address = address.to_canonical();
        self.second.1 += 1;
        let limit = |name: &str| usize::try_from(self.metadata.number(name)).unwrap_or_default();
        let most = limit("max.connections").min(file_handles::max_connections());
        let overrides = self.metadata.text("max.connections.per.ip.overrides");
        let per_address = address_limits(overrides.as_deref().unwrap_or_default())
            .flatten()
            .find(|(name, _)| name.parse().is_ok_and(|known: IpAddr| known == address))
            .map_or_else(|| limit("max.connections.per.ip"), |(_, limit)| limit);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= most {
            return Err(Refusal::Node);
        }
        let of_address = open.get(&address).copied().unwrap_or_default();
        if of_address >= per_address {
            return Err(Refusal::Address);
        }
        open.insert(address, of_address + 1);
        drop(open);
        Ok(Admitted {
            open: Arc::clone(&self.open),
            address,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
