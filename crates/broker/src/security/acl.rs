//! An access control entry, and the filters by which requests name some of them.

/// The one name of the cluster as a resource.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";
/// Any name, any host.
const WILDCARD: &str = "*";
/// Everybody.
const ANYBODY: &str = "User:*";

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(i8)]
        pub(crate) enum $name {
            $($variant = $number,)*
        }

        impl $name {
            /// The one of that number, unless it is unknown or "any".
            pub(crate) fn from_wire(number: i8) -> Option<$name> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What may be done.
    Operation {
        All = 2,
        Read = 3,
        Write = 4,
        Create = 5,
        Delete = 6,
        Alter = 7,
        Describe = 8,
        ClusterAction = 9,
        DescribeConfigs = 10,
        AlterConfigs = 11,
        IdempotentWrite = 12,
        CreateTokens = 13,
        DescribeTokens = 14,
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// What it is done to.
    ResourceType {
        Topic = 2,
        Group = 3,
        Cluster = 4,
        TransactionalId = 5,
        DelegationToken = 6,
        User = 7,
    }
}

numbered! {
    /// What an entry's resource name stands for.
    PatternType {
        Literal = 3,
        Prefixed = 4,
    }
}

numbered! {
    /// What an entry says.
    PermissionType {
        Deny = 2,
        Allow = 3,
    }
}

/// One access control entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acl {
    pub(crate) resource_type: ResourceType,
    pub(crate) pattern_type: PatternType,
    /// `*` and literal: every resource of the type.
    pub(crate) resource_name: String,
    /// `User:name`, or `User:*` for everybody.
    pub(crate) principal: String,
    /// An address, or `*` for anywhere.
    pub(crate) host: String,
    pub(crate) operation: Operation,
    pub(crate) permission_type: PermissionType,
}

impl Acl {
    /// Whether the entry is about that principal, host and operation. Of resources the caller has
    /// seen to it.
    pub(super) fn concerns(&self, principal: &str, host: &str, operation: Operation) -> bool {
        (self.principal == principal || self.principal == ANYBODY)
            && (self.host == WILDCARD || self.host == host)
            && self.covers(operation)
    }

    /// To allow something is to allow describing it; to deny it is not.
    fn covers(&self, operation: Operation) -> bool {
        if self.operation == Operation::All || self.operation == operation {
            return true;
        }
        self.permission_type == PermissionType::Allow
            && match operation {
                Operation::Describe => matches!(
                    self.operation,
                    Operation::Read | Operation::Write | Operation::Delete | Operation::Alter
                ),
                Operation::DescribeConfigs => self.operation == Operation::AlterConfigs,
                _ => false,
            }
    }

    /// Whether the entry's pattern covers a resource of that name.
    pub(super) fn covers_name(&self, name: &str) -> bool {
        match self.pattern_type {
            PatternType::Literal => self.resource_name == WILDCARD || self.resource_name == name,
            PatternType::Prefixed => name.starts_with(&self.resource_name),
        }
    }

    /// Whether whatever `other` covers is covered by this entry too.
    pub(super) fn swallows(&self, other: &Acl) -> bool {
        match (self.pattern_type, other.pattern_type) {
            (PatternType::Literal, PatternType::Prefixed) => self.resource_name == WILDCARD,
            // `*` is no name but all of them, which no prefix covers.
            (PatternType::Prefixed, PatternType::Literal) if other.resource_name == WILDCARD => {
                false
            }
            _ => self.covers_name(&other.resource_name),
        }
    }
}

/// Which patterns a filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternFilter {
    /// Of either type, with that very name.
    Any,
    /// Those that would apply to a resource of that name.
    Match,
    Only(PatternType),
}

/// A choice of entries; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclFilter {
    pub(crate) resource_type: Option<ResourceType>,
    pub(crate) pattern_type: PatternFilter,
    pub(crate) resource_name: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) operation: Option<Operation>,
    pub(crate) permission_type: Option<PermissionType>,
}

/// There is nothing of that number.
struct UnknownNumber;

/// A number as a filter has it: 1 is any.
fn filtered<T>(number: i8, from_wire: fn(i8) -> Option<T>) -> Result<Option<T>, UnknownNumber> {
    match number {
        1 => Ok(None),
        number => from_wire(number).map(Some).ok_or(UnknownNumber),
    }
}

impl AclFilter {
    /// A filter that matches everything of the given numbers; `None` if one of them is unknown.
    pub(crate) fn from_wire(
        resource_type: i8,
        pattern_type: i8,
        operation: i8,
        permission_type: i8,
    ) -> Option<AclFilter> {
        let pattern_type = match pattern_type {
            1 => PatternFilter::Any,
            2 => PatternFilter::Match,
            number => PatternFilter::Only(PatternType::from_wire(number)?),
        };
        Some(AclFilter {
            resource_type: filtered(resource_type, ResourceType::from_wire).ok()?,
            pattern_type,
            resource_name: None,
            principal: None,
            host: None,
            operation: filtered(operation, Operation::from_wire).ok()?,
            permission_type: filtered(permission_type, PermissionType::from_wire).ok()?,
        })
    }

    pub(crate) fn matches(&self, acl: &Acl) -> bool {
        fn is<T: PartialEq>(filter: Option<&T>, value: &T) -> bool {
            filter.is_none_or(|filter| filter == value)
        }
        is(self.resource_type.as_ref(), &acl.resource_type)
            && self.matches_pattern(acl)
            && is(self.principal.as_ref(), &acl.principal)
            && is(self.host.as_ref(), &acl.host)
            && is(self.operation.as_ref(), &acl.operation)
            && is(self.permission_type.as_ref(), &acl.permission_type)
    }

    fn matches_pattern(&self, acl: &Acl) -> bool {
        if let PatternFilter::Only(pattern_type) = self.pattern_type
            && pattern_type != acl.pattern_type
        {
            return false;
        }
        match &self.resource_name {
            None => true,
            Some(name) if self.pattern_type == PatternFilter::Match => acl.covers_name(name),
            Some(name) => *name == acl.resource_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(operation: Operation, permission_type: PermissionType) -> Acl {
        Acl {
            resource_type: ResourceType::Topic,
            pattern_type: PatternType::Prefixed,
            resource_name: "orders".to_owned(),
            principal: "User:alice".to_owned(),
            host: "127.0.0.1".to_owned(),
            operation,
            permission_type,
        }
    }

    #[test]
    fn allowing_to_read_write_delete_or_alter_allows_to_describe() {
        let describes = |operation, permission| {
            let acl = acl(operation, permission);
            acl.concerns("User:alice", "127.0.0.1", Operation::Describe)
        };
        for operation in [
            Operation::Read,
            Operation::Write,
            Operation::Delete,
            Operation::Alter,
        ] {
            assert!(describes(operation, PermissionType::Allow));
            assert!(!describes(operation, PermissionType::Deny));
        }
        assert!(!describes(Operation::Create, PermissionType::Allow));
        assert!(describes(Operation::All, PermissionType::Deny));
        assert!(
            acl(Operation::AlterConfigs, PermissionType::Allow).concerns(
                "User:alice",
                "127.0.0.1",
                Operation::DescribeConfigs
            )
        );
    }

    #[test]
    fn an_entry_concerns_its_principal_and_host_alone_unless_they_are_wildcards() {
        let mut acl = acl(Operation::Read, PermissionType::Allow);
        assert!(acl.concerns("User:alice", "127.0.0.1", Operation::Read));
        assert!(!acl.concerns("User:bob", "127.0.0.1", Operation::Read));
        assert!(!acl.concerns("User:alice", "127.0.0.2", Operation::Read));
        acl.principal = "User:*".to_owned();
        acl.host = "*".to_owned();
        assert!(acl.concerns("User:bob", "127.0.0.2", Operation::Read));
    }

    #[test]
    fn filters_go_by_pattern_or_by_what_applies_to_a_name() {
        let acl = acl(Operation::Read, PermissionType::Allow);
        let found = |pattern_type, name: Option<&str>| {
            let mut filter = AclFilter::from_wire(1, pattern_type, 1, 1).unwrap();
            filter.resource_name = name.map(str::to_owned);
            filter.matches(&acl)
        };
        assert!(found(1, None) && found(1, Some("orders")) && !found(1, Some("orders-1")));
        assert!(found(2, Some("orders-1")) && !found(2, Some("order")));
        assert!(found(4, Some("orders")) && !found(3, Some("orders")));
        assert_eq!(AclFilter::from_wire(0, 1, 1, 1), None);
        assert_eq!(AclFilter::from_wire(1, 1, 99, 1), None);
    }
}
