//! Committed rows and the changes above them, in one order.

use std::ops::{Bound, ControlFlow};

use super::error::StoreError;

/// The bound, or where living rows begin if that comes later.
pub(super) fn clamp<'a>(from: Bound<&'a [u8]>, front: &'a [u8; 8]) -> Bound<&'a [u8]> {
    match from {
        Bound::Included(key) | Bound::Excluded(key) if key >= &front[..] => from,
        _ if *front == [0; 8] => from,
        _ => Bound::Included(&front[..]),
    }
}

/// Visits committed rows and changed ones in one order; a change hides the committed row.
pub(super) fn merge<'a, B>(
    changed: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    scan: impl FnOnce(
        &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError>,
    mut each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, StoreError> {
    let mut changed = changed.peekable();
    let committed = scan(&mut |key, value| {
        while let Some((other, new)) = changed.next_if(|(other, _)| *other <= key) {
            if let Some(new) = new {
                each(other, new)?;
            }
            if other == key {
                return ControlFlow::Continue(());
            }
        }
        each(key, value)
    })?;
    if committed.is_break() {
        return Ok(committed);
    }
    for (key, value) in changed {
        if let Some(value) = value
            && let ControlFlow::Break(stop) = each(key, value)
        {
            return Ok(ControlFlow::Break(stop));
        }
    }
    Ok(ControlFlow::Continue(()))
}
