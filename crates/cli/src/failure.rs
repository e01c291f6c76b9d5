//! Why a command failed: the cause, the evidence, the next command, and the exit code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// What kind of failure it was, as scripts see it. Wrong usage (2) is answered by the command-line parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Failure = 1,
    Usage = 2,
    NotFound = 3,
    Denied = 4,
    Timeout = 5,
    Unhealthy = 10,
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    cause: String,
    evidence: Option<String>,
    next: Option<String>,
    broken_pipe: bool,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, cause: impl Into<String>) -> Self {
        Self {
            exit,
            cause: cause.into(),
            evidence: None,
            next: None,
            broken_pipe: false,
        }
    }

    /// What was seen that shows the cause.
    pub(crate) fn evidence(mut self, evidence: impl Display) -> Self {
        self.evidence = Some(evidence.to_string());
        self
    }

    /// What to try next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A failure that librdkafka or the broker reported while `doing` something.
    pub(crate) fn kafka(doing: impl Display, error: &KafkaError) -> Self {
        match code(error) {
            Some(code) => Self::code(doing, code),
            None => Self::new(Exit::Failure, doing.to_string()).evidence(error),
        }
    }

    /// The same, for a bare error code.
    pub(crate) fn code(doing: impl Display, code: Code) -> Self {
        let failure = Self::new(exit_of(code), doing.to_string()).evidence(code);
        match next_of(code) {
            Some(next) => failure.next(next),
            None => failure,
        }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// Prints to stderr.
    pub(crate) fn print(&self) {
        eprintln!("error: {}", self.cause);
        if let Some(evidence) = &self.evidence {
            eprintln!("  evidence: {evidence}");
        }
        if let Some(next) = &self.next {
            eprintln!("  next: {next}");
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            broken_pipe,
            ..Self::new(Exit::Failure, error.to_string())
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, format!("{error:#}"))
    }
}

/// The error code inside, also where the library does not give it out.
fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicId
        | Code::GroupIdNotFound => Exit::NotFound,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication => Exit::Denied,
        Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::MessageTimedOut
        | Code::TimedOutQueue => Exit::Timeout,
        Code::KafkaStorageError | Code::AllBrokersDown => Exit::Unhealthy,
        _ => Exit::Failure,
    }
}

fn next_of(code: Code) -> Option<&'static str> {
    Some(match exit_of(code) {
        Exit::NotFound => "see what there is: headwater topics list, headwater groups list",
        Exit::Denied => "check the credentials in --config and the ACLs of this user",
        Exit::Timeout => {
            "check that every address of the cluster is reachable; --timeout SECONDS waits longer; --log librdkafka=debug shows the client's log"
        }
        Exit::Unhealthy => "look at the broker's log",
        Exit::Failure | Exit::Usage => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_failure_decides_the_exit_code() {
        let exit = |code| Failure::code("doing", code).exit;
        assert_eq!(exit(Code::UnknownTopicOrPartition), Exit::NotFound);
        assert_eq!(exit(Code::GroupIdNotFound), Exit::NotFound);
        assert_eq!(exit(Code::TopicAuthorizationFailed), Exit::Denied);
        assert_eq!(exit(Code::OperationTimedOut), Exit::Timeout);
        assert_eq!(exit(Code::KafkaStorageError), Exit::Unhealthy);
        assert_eq!(exit(Code::TopicAlreadyExists), Exit::Failure);
    }

    #[test]
    fn an_admin_error_keeps_its_code() {
        let failure = Failure::kafka("deleting", &KafkaError::AdminOp(Code::GroupIdNotFound));
        assert_eq!(failure.exit, Exit::NotFound);
    }

    #[test]
    fn a_broken_pipe_is_told_from_other_errors() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_broken_pipe());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::NotFound)).is_broken_pipe());
    }
}
