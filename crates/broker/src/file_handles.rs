//! How many files and sockets this process may have open.
//!
//! Systems start processes with a low soft limit for the sake of old programs that
//! use `select`; whoever does not may raise it, and a store needs it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Raises the soft limit to the hard one.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => debug!(?current, ?maximum, "raised the limit on open files"),
        Err(failure) => debug!(
            ?current,
            ?maximum,
            "the limit on open files stays: {failure}"
        ),
    }
}

/// How many connections there may be so that a quarter of all handles is left to the data directory.
pub(crate) fn max_connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit - limit / 4).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_below_the_hard_one_is_raised() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let lower = Rlimit {
            current: Some(maximum.map_or(1 << 16, |maximum| maximum - 1)),
            maximum,
        };
        setrlimit(Resource::Nofile, lower).unwrap();
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        let connections = max_connections() as u64;
        assert!(maximum.is_none_or(|maximum| connections < maximum && connections > maximum / 2));
    }
}
