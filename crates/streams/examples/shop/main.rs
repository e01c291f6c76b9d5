//! Revenue by item and minute, of orders that were paid within five minutes: a stream-stream join, a window, results
//! when a window is final, exactly once.
//!
//! ```sh
//! headwater broker &
//! headwater topics create orders --partitions 4
//! headwater topics create payments --partitions 4
//! headwater topics create revenue --partitions 4
//! cargo run --package headwater-streams --example shop -- 127.0.0.1:9092
//! ```

mod topology;

use headwater_streams::{App, StreamsError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StreamsError> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let servers = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    App::new("shop")
        .bootstrap(servers)
        .exactly_once()
        .dead_letter("shop.dlq")
        .run(topology::topology)
        .await
}
