//! What the settings say about security: the listener's protocol, its mechanisms, PLAIN's users,
//! the authorizer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use super::jaas;
use super::scram_credential::ScramMechanism;
use crate::error::StartError;

const LISTENERS: &str = "listeners";
const MECHANISMS: &str = "sasl.enabled.mechanisms";
const AUTHORIZER: &str = "authorizer.class.name";
const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
/// Kafka's own name, and its short form, for a node with one listener.
const PLAIN_USERS: [&str; 2] = [
    "listener.name.sasl_plaintext.plain.sasl.jaas.config",
    "sasl.jaas.config",
];
const SUPER_USERS: &str = "super.users";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";

/// How clients speak to the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecurityProtocol {
    Plaintext,
    SaslPlaintext,
}

impl SecurityProtocol {
    /// Kafka's name, which is also the listener's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
        }
    }
}

/// A way to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Scram(ScramMechanism),
}

impl Mechanism {
    pub(crate) const ALL: [Mechanism; 3] = [
        Self::Plain,
        Self::Scram(ScramMechanism::Sha256),
        Self::Scram(ScramMechanism::Sha512),
    ];

    /// As registered with IANA.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(ScramMechanism::Sha256) => "SCRAM-SHA-256",
            Self::Scram(ScramMechanism::Sha512) => "SCRAM-SHA-512",
        }
    }
}

/// Whom the authorizer lets do what without any ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizerSettings {
    /// `super.users`.
    pub(super) super_users: BTreeSet<String>,
    /// `allow.everyone.if.no.acl.found`.
    pub(super) allow_everyone_if_no_acl_found: bool,
}

/// Fixed when the node starts.
#[derive(Clone)]
pub(crate) struct SecuritySettings {
    pub(crate) protocol: SecurityProtocol,
    /// `sasl.enabled.mechanisms`, in that order.
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(super) plain_users: BTreeMap<String, String>,
    /// `None`: everybody may do everything.
    pub(super) authorizer: Option<AuthorizerSettings>,
}

impl fmt::Debug for SecuritySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the passwords.
        f.debug_struct("SecuritySettings")
            .field("protocol", &self.protocol)
            .field("mechanisms", &self.mechanisms)
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}

impl SecuritySettings {
    pub(crate) fn new(
        overrides: &BTreeMap<String, String>,
    ) -> Result<SecuritySettings, StartError> {
        Ok(SecuritySettings {
            protocol: listener(overrides)?
                .map_or(SecurityProtocol::Plaintext, |(protocol, _)| protocol),
            mechanisms: mechanisms(overrides)?,
            plain_users: plain_users(overrides)?,
            authorizer: authorizer(overrides)?,
        })
    }

    /// Whether configs are about security but of the kind that Kafka leaves to plug-ins, so that no
    /// table of configs has them.
    pub(crate) fn is_own_config(name: &str) -> bool {
        PLAIN_USERS.contains(&name) || [SUPER_USERS, ALLOW_EVERYONE].contains(&name)
    }
}

/// The protocol and address of the one listener, if the overrides name it.
pub(crate) fn listener(
    overrides: &BTreeMap<String, String>,
) -> Result<Option<(SecurityProtocol, SocketAddr)>, StartError> {
    let Some(value) = overrides.get(LISTENERS) else {
        return Ok(None);
    };
    let (name, address) = value.trim().split_once("://").unwrap_or_default();
    let protocol = [SecurityProtocol::Plaintext, SecurityProtocol::SaslPlaintext]
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(name));
    match (protocol, address.parse()) {
        (Some(protocol), Ok(address)) => Ok(Some((protocol, address))),
        _ => Err(invalid(
            LISTENERS,
            value,
            "expected one listener, PLAINTEXT or SASL_PLAINTEXT, and an address: SASL_PLAINTEXT://127.0.0.1:9092",
        )),
    }
}

fn mechanisms(overrides: &BTreeMap<String, String>) -> Result<Vec<Mechanism>, StartError> {
    // Kafka's default is GSSAPI alone, which is not here.
    let Some(value) = overrides.get(MECHANISMS) else {
        return Ok(Mechanism::ALL.to_vec());
    };
    let named = |name: &str| {
        Mechanism::ALL
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
            .ok_or_else(|| {
                let reason =
                    format!("there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, not {name}");
                invalid(MECHANISMS, value, &reason)
            })
    };
    items(value, ',').map(named).collect()
}

fn plain_users(
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, StartError> {
    for name in PLAIN_USERS {
        if let Some(entry) = overrides.get(name) {
            return jaas::plain_users(entry).map_err(|reason| invalid(name, "[hidden]", &reason));
        }
    }
    Ok(BTreeMap::new())
}

fn authorizer(
    overrides: &BTreeMap<String, String>,
) -> Result<Option<AuthorizerSettings>, StartError> {
    let class = overrides.get(AUTHORIZER).map_or("", |class| class.trim());
    if class.is_empty() {
        return Ok(None);
    }
    if class != STANDARD_AUTHORIZER {
        let reason = format!("there is only {STANDARD_AUTHORIZER}");
        return Err(invalid(AUTHORIZER, class, &reason));
    }
    let super_users = overrides.get(SUPER_USERS).map_or("", String::as_str);
    let mut users = BTreeSet::new();
    for user in items(super_users, ';') {
        if !user.contains(':') {
            let reason = "expected principals such as User:admin, separated by semicolons";
            return Err(invalid(SUPER_USERS, super_users, reason));
        }
        users.insert(user.to_owned());
    }
    Ok(Some(AuthorizerSettings {
        super_users: users,
        allow_everyone_if_no_acl_found: overrides
            .get(ALLOW_EVERYONE)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
    }))
}

fn items(list: &str, separator: char) -> impl Iterator<Item = &str> {
    list.split(separator)
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn invalid(name: &str, value: &str, reason: &str) -> StartError {
    StartError::InvalidConfig {
        name: name.to_owned(),
        value: value.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<SecuritySettings, StartError> {
        let overrides = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        SecuritySettings::new(&overrides)
    }

    #[test]
    fn without_settings_there_is_no_security() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.protocol, SecurityProtocol::Plaintext);
        assert_eq!(settings.authorizer, None);
    }

    #[test]
    fn kafkas_names_turn_it_on() {
        let settings = settings(&[
            ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512, PLAIN"),
            (
                "listener.name.sasl_plaintext.plain.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";",
            ),
            ("authorizer.class.name", STANDARD_AUTHORIZER),
            ("super.users", "User:a;User:b"),
            ("allow.everyone.if.no.acl.found", "true"),
        ])
        .unwrap();
        assert_eq!(settings.protocol, SecurityProtocol::SaslPlaintext);
        assert_eq!(
            settings.mechanisms,
            [Mechanism::Scram(ScramMechanism::Sha512), Mechanism::Plain]
        );
        assert_eq!(settings.plain_users["a"], "b");
        let authorizer = settings.authorizer.unwrap();
        assert!(authorizer.super_users.contains("User:b"));
        assert!(authorizer.allow_everyone_if_no_acl_found);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name_and_no_password_is_shown() {
        for (name, value) in [
            ("listeners", "SSL://127.0.0.1:9092"),
            ("listeners", "SASL_PLAINTEXT://:9092"),
            ("sasl.enabled.mechanisms", "GSSAPI"),
            ("sasl.jaas.config", "user_a=hush"),
            ("authorizer.class.name", "org.example.Authorizer"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hush"), "{error}");
        }
        let users = [
            ("authorizer.class.name", STANDARD_AUTHORIZER),
            ("super.users", "admin"),
        ];
        assert!(settings(&users).is_err());
    }
}
