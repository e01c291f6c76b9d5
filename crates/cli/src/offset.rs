//! Where to start reading: `beginning`, `end`, an offset, `-N` from the end, or `@` a time.

use rdkafka::Offset;

/// A start position as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    At(StartOffset),
    /// Milliseconds since the epoch.
    Time(i64),
}

/// A start position that needs no look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartOffset {
    Beginning,
    End,
    Offset(i64),
    /// That many before the end.
    Tail(i64),
}

impl From<StartOffset> for Offset {
    fn from(start: StartOffset) -> Self {
        match start {
            StartOffset::Beginning => Offset::Beginning,
            StartOffset::End => Offset::End,
            StartOffset::Offset(offset) => Offset::Offset(offset),
            StartOffset::Tail(count) => Offset::OffsetTail(count),
        }
    }
}

/// Reads what was typed after `-o`.
pub(crate) fn parse(text: &str) -> Result<Start, String> {
    let expected =
        || "expected beginning, end, OFFSET, -N, @MILLISECONDS or @2026-01-31T12:00:00Z".to_owned();
    if let Some(time) = text.strip_prefix('@') {
        return parse_time(time).map(Start::Time).ok_or_else(expected);
    }
    Ok(Start::At(match text {
        "beginning" | "earliest" => StartOffset::Beginning,
        "end" | "latest" => StartOffset::End,
        number => match number.parse::<i64>().map_err(|_| expected())? {
            offset @ 0.. => StartOffset::Offset(offset),
            tail => StartOffset::Tail(tail.checked_neg().ok_or_else(expected)?),
        },
    }))
}

/// Milliseconds since the epoch, or RFC 3339 in UTC with whole seconds.
fn parse_time(text: &str) -> Option<i64> {
    if let Ok(milliseconds) = text.parse::<i64>() {
        return Some(milliseconds);
    }
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text
            .split(separator)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    valid.then(|| {
        (((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000
    })
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counting years from March so that the leap
/// day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days_in_years = year * 365 + year / 4 - year / 100 + year / 400;
    let days_in_months = (month * 306 + 5) / 10;
    days_in_years + days_in_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_start_is_read() {
        let cases = [
            ("beginning", Start::At(StartOffset::Beginning)),
            ("end", Start::At(StartOffset::End)),
            ("42", Start::At(StartOffset::Offset(42))),
            ("-5", Start::At(StartOffset::Tail(5))),
            ("@1700000000000", Start::Time(1_700_000_000_000)),
            ("@1970-01-01T00:00:00Z", Start::Time(0)),
            ("@2024-02-29T12:34:56Z", Start::Time(1_709_210_096_000)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_answered_with_what_is_expected() {
        for text in [
            "",
            "middle",
            "@",
            "@noon",
            "@2024-13-01T00:00:00Z",
            "-9223372036854775808",
        ] {
            assert!(parse(text).unwrap_err().contains("beginning"), "{text}");
        }
    }
}
