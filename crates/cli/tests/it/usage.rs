//! What needs no Kafka: usage, exit codes, errors that name the next command.

use std::fs;

use headwater_testkit::free_ports;

use crate::headwater::headwater;

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["nonsense"][..],
        &["topics", "create"],
        &["consume", "t", "-o", "middle"],
        &["consume", "t", "-f", "%q"],
        &["consume", "t", "--group", "g", "-o", "end"],
        &["produce"],
        &["topics", "list", "-X", "novalue"],
        &["topics", "list", "--output", "xml"],
        &["topics", "list", "--timeout", "0"],
    ] {
        headwater(arguments, "").fails_with(2);
    }
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let help = headwater(&["--help"], "").ok();
    for word in [
        "broker",
        "topics",
        "produce",
        "consume",
        "groups",
        "Exit codes",
        "10 unhealthy",
    ] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
}

#[test]
fn nothing_listening_is_said_with_the_evidence_and_the_next_command() {
    let address = format!("127.0.0.1:{}", free_ports(1).unwrap()[0]);
    let said = headwater(&["topics", "list", "--bootstrap-server", &address], "").fails_with(1);
    let expected = format!(
        "error: nothing answers at {address}\n  evidence: {address}: Connection refused (os error 111)\n  next: headwater broker"
    );
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn a_missing_configuration_is_not_found() {
    let said = headwater(&["topics", "list", "--config", "no-such-file.ini"], "").fails_with(3);
    assert!(said.contains("no-such-file.ini"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_read_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broken.ini");
    fs::write(&file, "[default]\nbootstrap.servers\n").unwrap();
    let said = headwater(&["topics", "list", "--config", file.to_str().unwrap()], "").fails_with(2);
    assert!(said.contains("line 2"), "{said}");
}

#[test]
fn a_property_that_does_not_exist_is_named() {
    // Something must listen, or that comes first.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let said = headwater(
        &["topics", "list", "-b", &address, "-X", "no.such.property=1"],
        "",
    )
    .fails_with(2);
    assert!(said.contains("no.such.property"), "{said}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_the_feature_is_refused_with_the_remedy() {
    let said = headwater(&["topics", "list", "-X", "security.protocol=SASL_SSL"], "").fails_with(1);
    assert!(
        said.contains("needs TLS") && said.contains("--features tls"),
        "{said}"
    );
}

#[test]
fn a_completion_script_knows_the_commands() {
    let script = headwater(&["completions", "bash"], "").ok();
    assert!(script.contains("consume") && script.contains("--bootstrap-server"));
}
