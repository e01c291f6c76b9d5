//! Free ports on the loopback interface.

use std::io;
use std::net::TcpListener;

/// As many different free ports as asked for. All are held until all are known, so that none comes twice.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<io::Result<Vec<_>>>()?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}
