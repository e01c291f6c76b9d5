//! The ordering system: orders, transactions, emails, drivers and analytics on Kafka.
