//! What the tests of several crates share: clocks, brokers, processes.
