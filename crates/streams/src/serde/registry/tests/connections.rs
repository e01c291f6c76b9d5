//! Where a registry is asked, and as whom.

use super::super::fake::{AUTHORITY, CLIENT};
use super::*;

#[test]
fn each_address_is_tried_in_turn() {
    let fake = FakeRegistry::start();
    let id = fake.add("orders-value", schema(TEXT));
    let registry = twice(&format!("http://127.0.0.1:1, {}/", fake.url()));
    assert_eq!(
        *registry.schema(id).expect("the second address"),
        schema(TEXT)
    );
}

#[test]
fn an_address_that_answered_is_the_first_to_be_asked_the_next_time() {
    let (away, fake) = (FakeRegistry::start(), FakeRegistry::start());
    fake.add("orders-value", schema(TEXT));
    away.faults([Fault::HangUp]);
    let addresses = format!("{},{}", away.url(), fake.url());
    let registry = RegistryConfig::new(&addresses).attempts(1).build();
    let registry = registry.expect("a registry");
    registry
        .schema(1)
        .expect("each address is asked once at least");
    registry.latest("orders-value").expect("it is there");
    assert_eq!((away.lines().len(), fake.lines().len()), (1, 2));
}

#[test]
fn a_user_and_password_in_an_address_are_for_that_address_and_are_not_printed() {
    let (first, second) = (FakeRegistry::start(), FakeRegistry::start());
    second.add("orders-value", schema(TEXT));
    first.faults([Fault::Answer(500, ""), Fault::Answer(500, "")]);
    let address = |fake: &FakeRegistry, credentials: &str| {
        fake.url()
            .replace("http://", &format!("http://{credentials}@"))
    };
    let addresses = format!(
        "{},{}",
        address(&first, "anna:hush"),
        address(&second, "Aladdin:open%20sesame")
    );
    let config = RegistryConfig::new(&addresses);
    let registry = config.clone().build().expect("a registry");
    registry.schema(1).expect("it is there");
    let sent = |fake: &FakeRegistry| fake.requests().remove(0).authorization;
    assert_eq!(sent(&first).as_deref(), Some("Basic YW5uYTpodXNo"));
    // The example of RFC 7617.
    assert_eq!(
        sent(&second).as_deref(),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
    second.faults([Fault::Answer(403, "")]);
    let error = registry.schema(2).expect_err("refused").to_string();
    let printed = format!("{config:?} {registry:?} {error}");
    assert!(printed.contains(&second.url()), "{printed}");
    for secret in ["anna", "hush", "Aladdin", "sesame", "Basic"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn an_address_of_another_kind_is_refused_before_anything_is_asked() {
    let error = Registry::new("localhost:8081")
        .expect_err("no scheme")
        .to_string();
    assert!(
        error.contains("\"localhost:8081\" begins with neither http:// nor https://"),
        "{error}"
    );
}

#[test]
fn tls_is_spoken_with_an_https_address_and_only_to_whom_an_authority_vouches_for() {
    let fake = FakeRegistry::start_with_tls();
    let id = fake.add("orders-value", schema(TEXT));
    let config = RegistryConfig::new(&fake.url()).attempts(1);
    let trusting = config.clone().certificate_authorities(AUTHORITY).build();
    let found = trusting.expect("a registry").schema(id);
    assert_eq!(*found.expect("over TLS"), schema(TEXT));

    let error = config.build().expect("a registry").schema(id);
    let error = error
        .expect_err("the system knows no such authority")
        .to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(fake.lines().len(), 1, "the second client told it nothing");
}

#[test]
fn a_registry_that_asks_who_the_client_is_gets_its_certificate() {
    let fake = FakeRegistry::start_with_client_certificates();
    let id = fake.add("orders-value", schema(TEXT));
    let config = RegistryConfig::new(&fake.url())
        .certificate_authorities(AUTHORITY)
        .attempts(1);
    let known = config.clone().client_certificate(CLIENT, CLIENT).build();
    let found = known.expect("a registry").schema(id);
    assert_eq!(*found.expect("over mutual TLS"), schema(TEXT));
    let unknown = config.build().expect("a registry").schema(id);
    unknown.expect_err("it shows no certificate");
    assert_eq!(fake.lines().len(), 1, "the second client was told nothing");
}

#[test]
fn what_is_no_certificate_and_no_key_is_refused_before_anything_is_asked() {
    let config = || RegistryConfig::new("https://registry");
    for (config, reason) in [
        (
            config().certificate_authorities(b"none"),
            "its certificate authorities: there is no certificate",
        ),
        (
            config().client_certificate(b"none", CLIENT),
            "its client certificate: there is no certificate",
        ),
        (
            config().client_certificate(CLIENT, b"none"),
            "its client certificate's key",
        ),
    ] {
        let error = config.build().expect_err("nothing of use").to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn credentials_are_sent_and_wrong_ones_are_not_tried_again() {
    let fake = FakeRegistry::start();
    fake.add("orders-value", schema(TEXT));
    let config = RegistryConfig::new(&fake.url());
    let basic = config
        .clone()
        .basic_auth("Aladdin", "open sesame")
        .build()
        .expect("a registry");
    basic.schema(1).expect("it is there");
    basic
        .lookup("orders-value", &schema(TEXT))
        .expect("it is there");
    for request in fake.requests() {
        // The example of RFC 7617.
        assert_eq!(
            request.authorization.as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
    }
    fake.faults([Fault::Answer(401, "")]);
    let bearer = config.bearer_auth("t0ken").build().expect("a registry");
    let error = bearer.schema(1).expect_err("refused");
    assert_eq!(
        error,
        RegistryError::Unauthorized {
            object: "schema 1".into(),
            url: fake.url(),
            status: 401
        }
    );
    let requests = fake.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer t0ken"));
}

#[test]
fn secrets_are_not_in_what_is_printed() {
    let config = RegistryConfig::new("http://registry").basic_auth("user", "secret");
    let printed = format!(
        "{config:?} {:?}",
        config.clone().build().expect("a registry").values()
    );
    assert!(printed.contains("http://registry"), "{printed}");
    assert!(
        !printed.contains("secret") && !printed.contains("Basic"),
        "{printed}"
    );
}
