//! Placeholder until the routes are in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::error::StreamsError;
use crate::runtime::Instance;

/// The server.
pub(crate) struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
}
impl Server {
    pub(crate) fn bind(address: &str) -> Result<Self, StreamsError> {
        let failed = |error: std::io::Error| StreamsError::Settings(error.to_string());
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
    pub(crate) fn start(self, _instance: &Arc<Instance>) -> Result<JoinHandle<()>, StreamsError> {
        drop(self.listener);
        Ok(std::thread::spawn(|| {}))
    }
}
