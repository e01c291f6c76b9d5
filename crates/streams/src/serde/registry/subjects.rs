//! Subjects: the names that schemas are registered under.

/// Whether a serde is one of keys or of values: it decides the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Of a record's key.
    Key,
    /// Of a record's value.
    Value,
}

/// How the subject of a schema follows from a record's topic and type. Confluent's subject name strategies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Subjects {
    /// `<topic>-key` or `<topic>-value`: one type per topic. Confluent's `TopicNameStrategy`, and the default.
    #[default]
    Topic,
    /// The type's full name: several types per topic, each evolving for all topics. `RecordNameStrategy`.
    Record,
    /// `<topic>-<type's full name>`: several types per topic, each evolving by itself. `TopicRecordNameStrategy`.
    TopicRecord,
}

impl Subjects {
    /// The subject of the schema of type `record` on `topic`.
    pub fn subject(self, topic: &str, role: Role, record: &str) -> String {
        match (self, role) {
            (Self::Topic, Role::Key) => format!("{topic}-key"),
            (Self::Topic, Role::Value) => format!("{topic}-value"),
            (Self::Record, _) => record.to_owned(),
            (Self::TopicRecord, _) => format!("{topic}-{record}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_of_confluents_strategies() {
        let subject = |subjects: Subjects, role| subjects.subject("orders", role, "shop.Order");
        assert_eq!(subject(Subjects::default(), Role::Key), "orders-key");
        assert_eq!(subject(Subjects::Topic, Role::Value), "orders-value");
        assert_eq!(subject(Subjects::Record, Role::Value), "shop.Order");
        assert_eq!(
            subject(Subjects::TopicRecord, Role::Key),
            "orders-shop.Order"
        );
    }
}
