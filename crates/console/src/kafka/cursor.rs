//! Where a page of records ends, so that the next page goes on there: `partition:offset,partition:offset`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// No topic we show has more partitions.
const MAX_PARTITIONS: usize = 2_000;

/// An offset per partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) BTreeMap<i32, i64>);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (partition, offset)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator}{partition}:{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut offsets = BTreeMap::new();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (partition, offset) = pair
                .split_once(':')
                .ok_or("a cursor is partition:offset,...")?;
            let partition = partition
                .parse()
                .map_err(|_| "a partition in the cursor is no number")?;
            let offset = offset
                .parse()
                .map_err(|_| "an offset in the cursor is no number")?;
            offsets.insert(partition, offset);
            if offsets.len() > MAX_PARTITIONS {
                return Err("the cursor has too many partitions");
            }
        }
        Ok(Self(offsets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_written() {
        let cursor = Cursor(BTreeMap::from([(0, 12), (7, 9_000_000_000)]));
        assert_eq!(cursor.to_string(), "0:12,7:9000000000");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert!("0".parse::<Cursor>().is_err() && "a:1".parse::<Cursor>().is_err());
    }
}
