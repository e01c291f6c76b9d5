//! Rows of data on stdout, in the format asked for.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    #[default]
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// YAML
    Yaml,
    /// Comma-separated values with a header line
    Csv,
}

/// Columns and rows, all of the same length.
pub(crate) struct Rows {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(
            row.len(),
            self.columns.len(),
            "a row has one value per column"
        );
        self.rows.push(row);
    }

    /// Prints to stdout.
    pub(crate) fn print(&self, format: Format) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.render(format).as_bytes())?;
        out.flush()
    }

    fn render(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Json => {
                let rows: Vec<Value> = self.rows.iter().map(|row| self.object(row)).collect();
                // Values built here always serialise.
                serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
            }
            Format::Jsonl => self
                .rows
                .iter()
                .flat_map(|row| [self.object(row).to_string(), "\n".to_owned()])
                .collect(),
            Format::Yaml if self.rows.is_empty() => "[]\n".to_owned(),
            Format::Yaml => self
                .rows
                .iter()
                .map(|row| yaml_item(&self.columns, row))
                .collect(),
            Format::Csv => {
                let header: Vec<String> = self
                    .columns
                    .iter()
                    .map(|column| (*column).to_owned())
                    .collect();
                let mut text = csv_line(&header);
                for row in &self.rows {
                    text += &csv_line(&row.iter().map(plain).collect::<Vec<_>>());
                }
                text
            }
        }
    }

    fn object(&self, row: &[Value]) -> Value {
        let fields = self.columns.iter().zip(row);
        Value::Object(
            fields
                .map(|(column, value)| ((*column).to_owned(), value.clone()))
                .collect::<Map<_, _>>(),
        )
    }

    fn table(&self) -> String {
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.to_uppercase().replace('_', " "))
            .collect();
        let mut lines = vec![header];
        lines.extend(self.rows.iter().map(|row| row.iter().map(shown).collect()));
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for line in &lines {
            let mut row = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                row += cell;
                row.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            text += row.trim_end();
            text.push('\n');
        }
        text
    }
}

/// A value without quotes; nothing for null, a list separated by spaces.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// As plain, but a person sees that there is nothing.
fn shown(value: &Value) -> String {
    let text = plain(value);
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// One YAML list item. JSON scalars are YAML scalars.
pub(crate) fn yaml_item(columns: &[&str], row: &[Value]) -> String {
    let lines = columns.iter().zip(row).enumerate();
    let lines = lines.map(|(index, (column, value))| {
        let lead = if index == 0 { "- " } else { "  " };
        format!("{lead}{column}: {value}\n")
    });
    lines.collect::<Vec<_>>().concat()
}

/// One line of CSV, quoted where it must be (RFC 4180).
pub(crate) fn csv_line(cells: &[String]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    quoted.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Rows {
        let mut rows = Rows::new(&["topic", "partitions", "isr"]);
        rows.push(vec![json!("purchases"), json!(6), json!([1, 2])]);
        rows.push(vec![json!("a,\"b\""), json!(1), Value::Null]);
        rows
    }

    #[test]
    fn a_table_is_aligned_and_says_where_there_is_nothing() {
        assert_eq!(
            rows().render(Format::Table),
            "TOPIC      PARTITIONS  ISR\npurchases  6           1 2\na,\"b\"      1           -\n"
        );
    }

    #[test]
    fn json_keeps_types_and_column_names() {
        let parsed: Value = serde_json::from_str(&rows().render(Format::Json)).unwrap();
        assert_eq!(
            parsed[0],
            json!({"topic": "purchases", "partitions": 6, "isr": [1, 2]})
        );
    }

    #[test]
    fn jsonl_has_one_object_a_line() {
        assert_eq!(rows().render(Format::Jsonl).lines().count(), 2);
    }

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(
            rows().render(Format::Csv),
            "topic,partitions,isr\npurchases,6,1 2\n\"a,\"\"b\"\"\",1,\n"
        );
    }

    #[test]
    fn yaml_is_a_list_of_maps() {
        assert_eq!(
            rows().render(Format::Yaml),
            "- topic: \"purchases\"\n  partitions: 6\n  isr: [1,2]\n- topic: \"a,\\\"b\\\"\"\n  partitions: 1\n  isr: null\n"
        );
        assert_eq!(Rows::new(&["topic"]).render(Format::Yaml), "[]\n");
    }
}
