//! One config: its name, type, default, allowed values and documentation.

use std::fmt;

/// The type of a config's value, numbered as in `DescribeConfigsResponse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    /// Never shown.
    Password = 9,
}

impl fmt::Display for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        })
    }
}

/// What a value must satisfy beyond being of its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Constraint {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// Between the two, or equal to the third: compression levels with a "codec's default".
    BetweenOr(i64, i64, i64),
    /// A fraction from 0 to 1.
    Ratio,
    /// The value, or each item of a list, is one of these.
    OneOf(&'static [&'static str]),
    /// The same, whatever the case of its letters.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of `address:limit`.
    AddressLimits,
    /// `earliest`, `latest` or `by_duration:` with a duration of ISO 8601.
    OffsetReset,
    /// `*` or a list of `partition:broker`.
    ThrottledReplicas,
}

/// How a config can be changed (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    /// Only by restarting with another value.
    ReadOnly,
    /// At once, for one broker.
    PerBroker,
    /// At once, for one broker or for all.
    ClusterWide,
    /// At once: what belongs to a topic, a group or a subscription.
    Resource,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
            Self::Resource => "per resource",
        })
    }
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The node obeys it.
    Honoured,
    /// It is checked, kept and told, and changes nothing.
    Reported,
}

/// A row of the tables of configs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfigDefinition {
    pub(crate) name: &'static str,
    pub(crate) kind: ConfigType,
    /// `None` where Kafka's own default is null.
    pub(crate) default: Option<&'static str>,
    pub(crate) constraint: Constraint,
    pub(crate) update: Update,
    pub(crate) used: Use,
    /// The broker config that gives a topic's or a group's config its default.
    pub(crate) broker_synonym: Option<&'static str>,
    pub(crate) documentation: &'static str,
}

impl ConfigDefinition {
    /// Whether values are kept from clients.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Checks a value; the error is a sentence fit for a client, with name and reason.
    pub(crate) fn validate(&self, value: &str) -> Result<(), String> {
        let trimmed = value.trim();
        match self.kind {
            ConfigType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => self.refuse(value, "Expected value to be either true or false"),
            },
            ConfigType::Int => self.integer(value, i64::from(i32::MIN), i64::from(i32::MAX)),
            ConfigType::Short => self.integer(value, i64::from(i16::MIN), i64::from(i16::MAX)),
            ConfigType::Long => self.integer(value, i64::MIN, i64::MAX),
            ConfigType::Double => match trimmed.parse::<f64>() {
                Ok(number) if number.is_nan() => self.refuse(value, "Not a number of type DOUBLE"),
                Ok(number) => self.number_in_range(number),
                Err(_) => self.refuse(value, "Not a number of type DOUBLE"),
            },
            ConfigType::String => self.text(trimmed),
            ConfigType::List => self.list(trimmed),
            ConfigType::Class | ConfigType::Password => Ok(()),
        }
    }

    fn refuse(&self, value: &str, reason: &str) -> Result<(), String> {
        Err(format!(
            "Invalid value {value} for configuration {}: {reason}",
            self.name
        ))
    }

    fn integer(&self, value: &str, min: i64, max: i64) -> Result<(), String> {
        let Some(number) = value
            .trim()
            .parse::<i64>()
            .ok()
            .filter(|number| (min..=max).contains(number))
        else {
            return self.refuse(value, &format!("Not a number of type {}", self.kind));
        };
        let at_most = |limit: i64| format!("Value must be no more than {limit}");
        match self.constraint {
            Constraint::AtLeast(least) | Constraint::Between(least, _) if number < least => {
                self.refuse(value, &format!("Value must be at least {least}"))
            }
            Constraint::Between(_, most) if number > most => self.refuse(value, &at_most(most)),
            Constraint::BetweenOr(least, most, other)
                if number != other && !(least..=most).contains(&number) =>
            {
                let reason =
                    format!("Value must be between {least} and {most} or equal to {other}");
                self.refuse(value, &reason)
            }
            _ => Ok(()),
        }
    }

    fn number_in_range(&self, number: f64) -> Result<(), String> {
        let shown = format!("{number:?}");
        match self.constraint {
            Constraint::Ratio if number < 0.0 => self.refuse(&shown, "Value must be at least 0"),
            Constraint::Ratio if number > 1.0 => {
                self.refuse(&shown, "Value must be no more than 1")
            }
            _ => Ok(()),
        }
    }

    fn text(&self, value: &str) -> Result<(), String> {
        match self.constraint {
            Constraint::AddressLimits if address_limits(value).any(|limit| limit.is_none()) => {
                self.refuse(value, "Expected a list of address:limit")
            }
            Constraint::OffsetReset if !is_offset_reset(value) => self.refuse(
                value,
                "Expected earliest, latest or by_duration:<PnDTnHnMn.nS>",
            ),
            _ => self.one_of(value),
        }
    }

    fn one_of(&self, value: &str) -> Result<(), String> {
        let (allowed, found) = match self.constraint {
            Constraint::OneOf(allowed) => (allowed, allowed.contains(&value)),
            Constraint::OneOfAnyCase(allowed) => {
                let is_value = |item: &&str| item.eq_ignore_ascii_case(value);
                (allowed, allowed.iter().any(is_value))
            }
            _ => return Ok(()),
        };
        if found {
            return Ok(());
        }
        self.refuse(
            value,
            &format!("String must be one of: {}", allowed.join(", ")),
        )
    }

    fn list(&self, value: &str) -> Result<(), String> {
        if let Constraint::ThrottledReplicas = self.constraint {
            return self.throttled_replicas(value);
        }
        list_items(value).try_for_each(|item| self.one_of(item))
    }

    fn throttled_replicas(&self, value: &str) -> Result<(), String> {
        let is_replica = |item: &str| {
            item.split_once(':').is_some_and(|(partition, broker)| {
                partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok()
            })
        };
        if value == "*" || list_items(value).all(is_replica) {
            return Ok(());
        }
        self.refuse(
            value,
            "must be the literal '*' or a list of replicas: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        )
    }
}

/// The items of a list value, as Kafka splits it: by commas, blanks around items dropped.
pub(crate) fn list_items(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// The limits of single addresses in a value such as `127.0.0.1:5,host:7`; `None` for an item that is none.
pub(crate) fn address_limits(value: &str) -> impl Iterator<Item = Option<(&str, usize)>> {
    list_items(value).map(|item| {
        let (address, limit) = item.rsplit_once(':')?;
        Some((address.trim(), limit.trim().parse().ok()?))
    })
}

fn is_offset_reset(value: &str) -> bool {
    match value.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => matches!(value, "earliest" | "latest"),
    }
}

/// Whether `text` is a duration such as `P1DT2H3M4.5S`.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = rest
        .split_once('T')
        .map_or((rest, None), |(days, time)| (days, Some(time)));
    let parts = |mut text: &str, units: &[char]| {
        let mut found = 0;
        for unit in units {
            if let Some((number, after)) = text.split_once(*unit) {
                if number.parse::<f64>().is_err() {
                    return None;
                }
                found += 1;
                text = after;
            }
        }
        text.is_empty().then_some(found)
    };
    let in_days = parts(days, &['D']);
    let in_time = time.map_or(Some(0), |time| parts(time, &['H', 'M', 'S']));
    matches!((in_days, in_time), (Some(days), Some(time)) if days + time > 0)
}
