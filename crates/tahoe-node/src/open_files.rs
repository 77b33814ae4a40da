//! How many files and connections the process may have open.

/// With fewer a busy node may run out of them.
const COMFORTABLE: u64 = 4096;

/// Lets the process have as many files open as the system allows it, and returns how many that are.
///
/// Shells and systemd start programs with 1024 for the sake of some that can't count further.
#[cfg(unix)]
pub(crate) fn allow_all() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let current = limit.current.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => allowed,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    };
    if allowed < COMFORTABLE {
        tracing::warn!(
            allowed,
            "the node may have few files and connections open: raise the limit (ulimit -n, or \
             LimitNOFILE= of its systemd unit) to {COMFORTABLE} or more"
        );
    }
    allowed
}

/// Nothing limits them elsewhere.
#[cfg(not(unix))]
pub(crate) fn allow_all() -> u64 {
    u64::MAX
}

/// The part of what is allowed that one purpose may take: an eighth, but at most `most`.
pub(crate) fn share_of(allowed: u64, most: usize) -> usize {
    let eighth = usize::try_from(allowed / 8).unwrap_or(usize::MAX);
    eighth.clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_purpose_takes_all() {
        assert_eq!(share_of(u64::MAX, 512), 512);
        assert_eq!(share_of(1024, 512), 128);
        assert_eq!(share_of(3, 512), 1);
    }
}
