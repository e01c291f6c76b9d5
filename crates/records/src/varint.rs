//! Zig-zag variable-length integers, as records use them (at most 5 bytes for 32 bits, 10 for 64).

/// Takes a varint off the front of `bytes`. `None` where it is cut short or too long.
pub(crate) fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let mut raw: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // The tenth byte carries the last bit only.
        if shift == 63 && byte > 1 {
            return None;
        }
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
        }
    }
    None
}

/// Takes a varint of 32 bits off the front of `bytes`. `None` where it is cut short or does not fit.
pub(crate) fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_i64(bytes)?).ok()
}

/// Appends `value` to `out`.
pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(value: i64) {
            let mut out = Vec::new();
            put_i64(&mut out, value);
            prop_assert!(out.len() <= 10);
            let mut rest = out.as_slice();
            prop_assert_eq!(take_i64(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_varint_without_end_is_refused() {
        assert_eq!(take_i64(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take_i64(&mut [0x80; 3].as_slice()), None);
    }

    #[test]
    fn a_varint_above_32_bits_is_refused_where_32_are_expected() {
        let mut out = Vec::new();
        put_i64(&mut out, i64::from(i32::MAX) + 1);
        assert_eq!(take_i32(&mut out.as_slice()), None);
    }
}
