//! The smallest Kafka client there is: one Metadata request, to know that a node answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

/// Metadata version 1 for no topic, with correlation id 1 and no client id.
const METADATA_REQUEST: [u8; 18] = [
    0, 0, 0, 14, // length
    0, 3, // api key: Metadata
    0, 1, // version
    0, 0, 0, 1, // correlation id
    0xff, 0xff, // client id: null
    0, 0, 0, 0, // no topics
];

/// How many brokers the node at `address` knows of.
pub(crate) fn broker_count(address: &str) -> Result<usize> {
    let address: SocketAddr = address.parse()?;
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(&METADATA_REQUEST)?;
    let mut reply = [0; 12];
    stream.read_exact(&mut reply)?;
    if reply[4..8] != [0, 0, 0, 1] {
        bail!("{address} answered something that is not Kafka");
    }
    let count = i32::from_be_bytes([reply[8], reply[9], reply[10], reply[11]]);
    Ok(usize::try_from(count)?)
}
