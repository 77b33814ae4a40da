//! How many files and connections the process may have open.

/// With fewer a busy node may run out of them.
const COMFORTABLE: u64 = 4096;

/// Lets this process have as many files open, connections included, as the system allows it, and warns
/// if those are few.
///
/// Shells and systemd start programs with 1024 for the sake of some that can't count further.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays low");
    }
    let allowed = allowed();
    if allowed < COMFORTABLE {
        tracing::warn!(
            allowed,
            "the node may have few files and connections open: raise the limit (ulimit -n, or \
             LimitNOFILE= of its systemd unit) to {COMFORTABLE} or more"
        );
    }
}

/// How many files this process may have open.
fn allowed() -> u64 {
    use rustix::process::{Resource, getrlimit};

    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many of the files that this process may have open one purpose may take: an eighth, but at most
/// `most`.
pub(crate) fn share_of_allowed(most: usize) -> usize {
    share_of(allowed(), most)
}

fn share_of(allowed: u64, most: usize) -> usize {
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
