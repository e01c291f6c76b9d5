//! How `consume -f` prints a record: `%t %p %o %k %s %S %K %T %h` and `\n \t \r \0 \xHH`, as in kcat.

use crate::envelope::Record;

/// A parsed format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordFormat(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Timestamp,
    Headers,
}

impl RecordFormat {
    /// Reads a format string; an error names what is not known.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => literal.push(escape(&mut characters)?),
                '%' => {
                    let letter = characters.next().ok_or("a % needs a letter after it")?;
                    if letter == '%' {
                        literal.push(b'%');
                        continue;
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::from_letter(letter)?);
                }
                other => literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// Appends a record to `out`.
    pub(crate) fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Topic => out.extend_from_slice(record.topic.as_bytes()),
                Part::Partition => out.extend_from_slice(record.partition.to_string().as_bytes()),
                Part::Offset => out.extend_from_slice(record.offset.to_string().as_bytes()),
                Part::Key => out.extend_from_slice(record.key.unwrap_or_default()),
                Part::KeyLength => out.extend_from_slice(length(record.key).as_bytes()),
                Part::Value => out.extend_from_slice(record.value.unwrap_or_default()),
                Part::ValueLength => out.extend_from_slice(length(record.value).as_bytes()),
                Part::Timestamp => {
                    out.extend_from_slice(record.timestamp_ms.unwrap_or(-1).to_string().as_bytes());
                }
                Part::Headers => write_headers(record, out),
            }
        }
    }
}

impl Part {
    fn from_letter(letter: char) -> Result<Self, String> {
        Ok(match letter {
            't' => Self::Topic,
            'p' => Self::Partition,
            'o' => Self::Offset,
            'k' => Self::Key,
            'K' => Self::KeyLength,
            's' => Self::Value,
            'S' => Self::ValueLength,
            'T' => Self::Timestamp,
            'h' => Self::Headers,
            other => {
                return Err(format!(
                    "%{other} is not known; there are %t %p %o %k %K %s %S %T %h %%"
                ));
            }
        })
    }
}

fn escape(characters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match characters.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = characters.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16)
                .map_err(|_| "\\x needs two hexadecimal digits".to_owned())
        }
        Some(other) => Err(format!(
            "\\{other} is not known; there are \\n \\t \\r \\0 \\\\ \\xHH"
        )),
        None => Err("a \\ needs a character after it".to_owned()),
    }
}

/// The length, or -1 for null.
fn length(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.len().to_string())
}

fn write_headers(record: &Record<'_>, out: &mut Vec<u8>) {
    for (index, (name, value)) in record.headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.unwrap_or(b"NULL"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(format: &str) -> String {
        let record = Record {
            topic: "purchases",
            partition: 3,
            offset: 41,
            timestamp_ms: Some(1000),
            key: Some(b"ada"),
            value: None,
            headers: vec![("a", Some(b"1")), ("b", None)],
        };
        let mut out = Vec::new();
        RecordFormat::parse(format)
            .unwrap()
            .write(&record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_letter_is_replaced() {
        assert_eq!(
            render("%t/%p@%o %T k=%k(%K) v=%s(%S) %h 100%%\\t\\x41\\n"),
            "purchases/3@41 1000 k=ada(3) v=(-1) a=1,b=NULL 100%\tA\n"
        );
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(
            RecordFormat::parse("%q")
                .unwrap_err()
                .starts_with("%q is not known")
        );
        assert!(
            RecordFormat::parse("\\q")
                .unwrap_err()
                .starts_with("\\q is not known")
        );
        assert!(RecordFormat::parse("%").is_err());
        assert!(RecordFormat::parse("\\xZZ").is_err());
    }
}
