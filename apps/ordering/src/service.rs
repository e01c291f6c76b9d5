//! The names of the five services.

use std::fmt;
use std::str::FromStr;

/// One service of the ordering system; each can be a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Takes orders over HTTP and follows them to their final state.
    Orders,
    /// Charges accounts, once per order.
    Transactions,
    /// Writes to customers by SMTP.
    Emails,
    /// Assigns drivers and delivers.
    Drivers,
    /// Writes every event to the analytics database.
    Analytics,
}

impl Service {
    /// All services, in the order an order meets them.
    pub const ALL: [Self; 5] = [
        Self::Orders,
        Self::Transactions,
        Self::Emails,
        Self::Drivers,
        Self::Analytics,
    ];

    /// The name on the command line, in group ids, database files and `ce_source`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Transactions => "transactions",
            Self::Emails => "emails",
            Self::Drivers => "drivers",
            Self::Analytics => "analytics",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No service has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no service is called {0:?}: there are orders, transactions, emails, drivers and analytics"
)]
pub struct UnknownService(pub String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|service| service.name() == name)
            .ok_or_else(|| UnknownService(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn every_service_is_found_by_its_name() {
        for service in Service::ALL {
            assert_eq!(service.to_string().parse::<Service>(), Ok(service));
        }
        assert!("kitchen".parse::<Service>().is_err());
    }
}
