//! Changes to quotas: which records a request leads to, or why it is refused. Pure.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use super::client_quotas::{ClientQuotas, QuotaValues};
use super::entity::{Entity, EntityType, Part, refused};
use super::record::ClientQuotaRecord;
use crate::metadata::Refused;

/// What is to become of one entity: a value for a key, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alteration {
    pub(crate) entity: Vec<(String, Option<String>)>,
    pub(crate) operations: Vec<(String, Option<f64>)>,
}

/// What values of a quota are.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Whole { max: f64 },
    Fraction,
}

/// The records for all that can be done, and for each alteration whether it can.
pub(crate) fn alter(
    quotas: &ClientQuotas,
    alterations: &[Alteration],
) -> (Vec<ClientQuotaRecord>, Vec<Result<(), Refused>>) {
    let mut records = Vec::new();
    let mut results = Vec::with_capacity(alterations.len());
    let mut seen: HashSet<Entity> = HashSet::new();
    for alteration in alterations {
        let decided = entity_of(alteration).and_then(|entity| {
            if seen.contains(&entity) {
                return Err(refused("Ignoring duplicate entity"));
            }
            let records = records_of(quotas, &entity, alteration)?;
            seen.insert(entity);
            Ok(records)
        });
        results.push(decided.map(|decided| records.extend(decided)));
    }
    (records, results)
}

fn entity_of(alteration: &Alteration) -> Result<Entity, Refused> {
    let parts = alteration.entity.iter();
    let entity =
        Entity::from_parts(parts.map(|(type_name, name)| (type_name.as_str(), name.as_deref())))?;
    if *entity.part(EntityType::Ip) == Part::Absent {
        return Ok(entity);
    }
    if entity.parts().count() > 1 {
        return Err(refused(
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        ));
    }
    if let Part::Named(name) = entity.part(EntityType::Ip)
        && name.parse::<IpAddr>().is_err()
    {
        return Err(refused(format!("{name} is not a valid IP address.")));
    }
    Ok(entity)
}

fn records_of(
    quotas: &ClientQuotas,
    entity: &Entity,
    alteration: &Alteration,
) -> Result<Vec<ClientQuotaRecord>, Refused> {
    let none = QuotaValues::new();
    let current = quotas.values(entity).unwrap_or(&none);
    let mut wanted: BTreeMap<&str, Option<f64>> = BTreeMap::new();
    for (key, value) in &alteration.operations {
        if wanted.insert(key, *value).is_some() {
            return Err(refused(format!("Duplicate quota key {key}")));
        }
    }
    let mut records = Vec::new();
    for (key, value) in wanted {
        if let Some(value) = value {
            check_value(entity, key, value)?;
        }
        if current.get(key).copied() != value {
            records.push(ClientQuotaRecord::new(entity, key, value));
        }
    }
    Ok(records)
}

fn kind(entity: &Entity, key: &str) -> Option<Kind> {
    let of_address = *entity.part(EntityType::Ip) != Part::Absent;
    match key {
        "connection_creation_rate" if of_address => Some(Kind::Whole {
            max: f64::from(i32::MAX),
        }),
        "producer_byte_rate" | "consumer_byte_rate" if !of_address => Some(Kind::Whole {
            max: i64::MAX as f64,
        }),
        "request_percentage" | "controller_mutation_rate" if !of_address => Some(Kind::Fraction),
        _ => None,
    }
}

fn check_value(entity: &Entity, key: &str, value: f64) -> Result<(), Refused> {
    let kind =
        kind(entity, key).ok_or_else(|| refused(format!("Invalid configuration key {key}")))?;
    if value.is_nan() || value <= 0.0 {
        return Err(refused(format!("Quota {key} must be greater than 0")));
    }
    match kind {
        Kind::Whole { max } if value > max => {
            Err(refused(format!("Proposed value for {key} is too large.")))
        }
        Kind::Whole { .. } if (value % 1.0).abs() > 1e-6 => {
            Err(refused(format!("{key} cannot be a fractional value.")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alteration(
        entity: &[(&str, Option<&str>)],
        operations: &[(&str, Option<f64>)],
    ) -> Alteration {
        Alteration {
            entity: entity
                .iter()
                .map(|(type_name, name)| ((*type_name).to_owned(), name.map(str::to_owned)))
                .collect(),
            operations: operations
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect(),
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_the_rest_done() {
        let alice = [("user", Some("alice"))];
        let rate = [("producer_byte_rate", Some(1_024.0))];
        let fine = alteration(&alice, &rate);
        let bad = [
            alteration(&[], &rate),
            alteration(&[("planet", Some("mars"))], &rate),
            alteration(&[("user", Some(""))], &rate),
            alteration(&[("user", Some("bob")), ("user", None)], &rate),
            alteration(&[("user", Some("bob")), ("ip", Some("10.0.0.1"))], &rate),
            alteration(&[("ip", Some("10.0.0.1"))], &rate),
            alteration(
                &[("ip", Some("nowhere"))],
                &[("connection_creation_rate", Some(1.0))],
            ),
            alteration(
                &[("user", Some("bob"))],
                &[("connection_creation_rate", Some(1.0))],
            ),
            alteration(
                &[("user", Some("bob"))],
                &[("producer_byte_rate", Some(0.0))],
            ),
            alteration(
                &[("user", Some("bob"))],
                &[("producer_byte_rate", Some(1.5))],
            ),
            alteration(
                &[("user", Some("bob"))],
                &[("producer_byte_rate", Some(f64::NAN))],
            ),
            alteration(
                &[("user", Some("bob"))],
                &[
                    ("producer_byte_rate", Some(1.0)),
                    ("producer_byte_rate", None),
                ],
            ),
            alteration(&alice, &rate),
        ];
        let mut all = vec![fine];
        all.extend(bad);
        let (records, results) = alter(&ClientQuotas::default(), &all);
        assert!(results[0].is_ok());
        assert!(results[1..].iter().all(Result::is_err), "{results:?}");
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn an_entity_counts_once_among_many() {
        // So many that looking through all of them for each would take minutes.
        let names: Vec<String> = (0..50_000).map(|n| format!("user-{n}")).collect();
        let mut alterations: Vec<Alteration> = names
            .iter()
            .map(|name| {
                alteration(
                    &[("user", Some(name.as_str()))],
                    &[("producer_byte_rate", Some(1_024.0))],
                )
            })
            .collect();
        alterations.push(alterations[0].clone());
        let (records, results) = alter(&ClientQuotas::default(), &alterations);
        assert_eq!(records.len(), names.len());
        assert_eq!(
            results.last(),
            Some(&Err(refused("Ignoring duplicate entity")))
        );
    }

    #[test]
    fn only_what_changes_is_recorded() {
        let mut quotas = ClientQuotas::default();
        let entity = [("client-id", None)];
        let change = alteration(
            &entity,
            &[
                ("request_percentage", Some(12.5)),
                ("consumer_byte_rate", None),
            ],
        );
        for expected in [1, 0] {
            let (records, results) = alter(&quotas, std::slice::from_ref(&change));
            assert_eq!((records.len(), &results[0]), (expected, &Ok(())));
            for record in &records {
                record.replay(&mut quotas);
            }
        }
        let removal = alteration(&entity, &[("request_percentage", None)]);
        for record in alter(&quotas, &[removal]).0 {
            record.replay(&mut quotas);
        }
        assert!(quotas.is_empty());
    }
}
