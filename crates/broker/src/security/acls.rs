//! All access control entries, found by the resource they are about.

use std::collections::BTreeMap;
use std::ops::Bound;

use headwater_protocol::Uuid;

use super::acl::{Acl, AclFilter, Operation, PatternType, PermissionType, ResourceType};

type Resource = (ResourceType, PatternType, String);

/// What the entries say of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Denied,
    Allowed,
    /// There are entries of the resource, but none that allows.
    Unmentioned,
    /// The resource has no entries.
    Unprotected,
}

/// Part of the metadata image: changed by replay only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acls {
    by_id: BTreeMap<Uuid, Acl>,
    by_resource: BTreeMap<Resource, Vec<Uuid>>,
}

impl Acls {
    pub(crate) fn insert(&mut self, id: Uuid, acl: Acl) {
        self.by_resource.entry(resource(&acl)).or_default().push(id);
        self.by_id.insert(id, acl);
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        let Some(acl) = self.by_id.remove(&id) else {
            return;
        };
        let resource = resource(&acl);
        if let Some(ids) = self.by_resource.get_mut(&resource) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_resource.remove(&resource);
            }
        }
    }

    pub(crate) fn contains(&self, acl: &Acl) -> bool {
        self.of(&resource(acl)).any(|other| other == acl)
    }

    /// Those that a filter means, by resource.
    pub(crate) fn matching<'a>(
        &'a self,
        filter: &'a AclFilter,
    ) -> impl Iterator<Item = (Uuid, &'a Acl)> {
        self.by_resource
            .values()
            .flatten()
            .filter_map(|id| Some((*id, self.by_id.get(id)?)))
            .filter(|(_, acl)| filter.matches(acl))
    }

    /// One deny outweighs whatever is allowed.
    pub(super) fn verdict(
        &self,
        principal: &str,
        host: &str,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> Verdict {
        let mut verdict = Verdict::Unprotected;
        for acl in self.about(resource_type, name) {
            if !acl.concerns(principal, host, operation) {
                if verdict == Verdict::Unprotected {
                    verdict = Verdict::Unmentioned;
                }
                continue;
            }
            match acl.permission_type {
                PermissionType::Deny => return Verdict::Denied,
                PermissionType::Allow => verdict = Verdict::Allowed,
            }
        }
        verdict
    }

    /// Whether the principal may do that to some resource of the type, whichever: one that is
    /// allowed and not wholly denied.
    pub(super) fn allow_somewhere(
        &self,
        principal: &str,
        host: &str,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        let of_type = (
            Bound::Included((resource_type, PatternType::Literal, String::new())),
            Bound::Unbounded,
        );
        let concerned: Vec<&Acl> = self
            .by_resource
            .range(of_type)
            .take_while(|((other, _, _), _)| *other == resource_type)
            .flat_map(|(resource, _)| self.of(resource))
            .filter(|acl| acl.concerns(principal, host, operation))
            .collect();
        let (allowed, denied): (Vec<&Acl>, Vec<&Acl>) = concerned
            .into_iter()
            .partition(|acl| acl.permission_type == PermissionType::Allow);
        allowed
            .iter()
            .any(|allow| !denied.iter().any(|deny| deny.swallows(allow)))
    }

    /// The entries whose pattern covers the resource.
    fn about<'a>(
        &'a self,
        resource_type: ResourceType,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Acl> {
        let literal = |name: &str| (resource_type, PatternType::Literal, name.to_owned());
        // A prefix of the name sorts before it, and after the empty one.
        let prefixed = (
            Bound::Included((resource_type, PatternType::Prefixed, String::new())),
            Bound::Included((resource_type, PatternType::Prefixed, name.to_owned())),
        );
        let wildcard = (name != "*").then(|| literal("*"));
        let literals: Vec<&Acl> = std::iter::once(literal(name))
            .chain(wildcard)
            .flat_map(|resource| self.ids(&resource))
            .filter_map(|id| self.by_id.get(id))
            .collect();
        literals.into_iter().chain(
            self.by_resource
                .range(prefixed)
                .filter(move |((_, _, prefix), _)| name.starts_with(prefix))
                .flat_map(|(resource, _)| self.of(resource)),
        )
    }

    fn ids(&self, resource: &Resource) -> &[Uuid] {
        self.by_resource.get(resource).map_or(&[], Vec::as_slice)
    }

    fn of(&self, resource: &Resource) -> impl Iterator<Item = &Acl> {
        self.ids(resource)
            .iter()
            .filter_map(|id| self.by_id.get(id))
    }
}

fn resource(acl: &Acl) -> Resource {
    (
        acl.resource_type,
        acl.pattern_type,
        acl.resource_name.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "User:alice";
    const HOST: &str = "127.0.0.1";

    fn acl(pattern_type: PatternType, name: &str, permission_type: PermissionType) -> Acl {
        Acl {
            resource_type: ResourceType::Topic,
            pattern_type,
            resource_name: name.to_owned(),
            principal: ALICE.to_owned(),
            host: "*".to_owned(),
            operation: Operation::Read,
            permission_type,
        }
    }

    fn acls(entries: &[(PatternType, &str, PermissionType)]) -> Acls {
        let mut acls = Acls::default();
        for (index, (pattern_type, name, permission)) in entries.iter().enumerate() {
            acls.insert(
                Uuid::from_u128(index as u128),
                acl(*pattern_type, name, *permission),
            );
        }
        acls
    }

    fn reads(acls: &Acls, name: &str) -> Verdict {
        acls.verdict(ALICE, HOST, Operation::Read, ResourceType::Topic, name)
    }

    use PatternType::{Literal, Prefixed};
    use PermissionType::{Allow, Deny};

    #[test]
    fn literal_prefixed_and_wildcard_patterns_apply() {
        let acls = acls(&[
            (Literal, "a", Allow),
            (Prefixed, "or", Allow),
            (Prefixed, "order", Allow),
        ]);
        assert_eq!(reads(&acls, "a"), Verdict::Allowed);
        assert_eq!(reads(&acls, "ab"), Verdict::Unprotected);
        assert_eq!(reads(&acls, "or"), Verdict::Allowed);
        assert_eq!(reads(&acls, "orders"), Verdict::Allowed);
        assert_eq!(reads(&acls, "o"), Verdict::Unprotected);
        let everything = self::acls(&[(Literal, "*", Allow)]);
        assert_eq!(reads(&everything, "anything"), Verdict::Allowed);
    }

    #[test]
    fn deny_comes_before_allow_whatever_the_patterns() {
        for (denied, allowed) in [
            ((Literal, "orders"), (Prefixed, "orders")),
            ((Prefixed, "or"), (Literal, "orders")),
            ((Literal, "*"), (Literal, "orders")),
        ] {
            let acls = acls(&[(allowed.0, allowed.1, Allow), (denied.0, denied.1, Deny)]);
            assert_eq!(reads(&acls, "orders"), Verdict::Denied);
        }
    }

    #[test]
    fn a_resource_with_entries_of_others_is_not_unprotected() {
        let acls = acls(&[(Literal, "orders", Allow)]);
        let verdict = |principal, operation| {
            acls.verdict(principal, HOST, operation, ResourceType::Topic, "orders")
        };
        assert_eq!(verdict("User:bob", Operation::Read), Verdict::Unmentioned);
        assert_eq!(verdict(ALICE, Operation::Write), Verdict::Unmentioned);
        let group = acls.verdict(ALICE, HOST, Operation::Read, ResourceType::Group, "orders");
        assert_eq!(group, Verdict::Unprotected);
    }

    #[test]
    fn what_is_removed_counts_no_longer() {
        let mut acls = acls(&[(Literal, "orders", Allow)]);
        assert!(acls.contains(&acl(Literal, "orders", Allow)));
        acls.remove(Uuid::from_u128(0));
        assert_eq!(reads(&acls, "orders"), Verdict::Unprotected);
        assert!(!acls.contains(&acl(Literal, "orders", Allow)));
    }

    #[test]
    fn somewhere_is_any_allowed_pattern_that_no_deny_swallows() {
        let somewhere = |entries: &[(PatternType, &str, PermissionType)]| {
            let (operation, resource) = (Operation::Read, ResourceType::Topic);
            acls(entries).allow_somewhere(ALICE, HOST, operation, resource)
        };
        assert!(!somewhere(&[]));
        assert!(somewhere(&[(Literal, "orders", Allow)]));
        assert!(!somewhere(&[
            (Literal, "orders", Allow),
            (Prefixed, "or", Deny)
        ]));
        assert!(!somewhere(&[(Prefixed, "or", Allow), (Literal, "*", Deny)]));
        assert!(somewhere(&[
            (Prefixed, "or", Allow),
            (Literal, "orders", Deny)
        ]));
        assert!(somewhere(&[(Literal, "*", Allow), (Prefixed, "or", Deny)]));
    }
}
