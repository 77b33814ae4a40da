//! When to ask a silent peer whether it is there, and when to stop waiting.

use std::time::{Duration, Instant};

/// What silence of the peer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdlePolicy {
    /// Sends a PING each time nothing was received for so long.
    pub ping_after: Option<Duration>,
    /// Closes the connection when nothing was received for so long.
    pub disconnect_after: Option<Duration>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleStep {
    /// Nothing before this time; never without one.
    Wait(Option<Instant>),
    /// The peer has been silent for too long.
    Disconnect,
}

/// When the peer was last heard.
#[derive(Debug)]
pub(crate) struct Idle {
    policy: IdlePolicy,
    last_received: Instant,
    last_ping: Instant,
}

impl Idle {
    pub(crate) fn new(policy: IdlePolicy, now: Instant) -> Self {
        Self {
            policy,
            last_received: now,
            last_ping: now,
        }
    }

    pub(crate) fn received(&mut self, now: Instant) {
        self.last_received = now;
    }

    pub(crate) fn last_received(&self) -> Instant {
        self.last_received
    }

    /// Says what to do, and whether to send a PING too.
    pub(crate) fn poll(&mut self, now: Instant) -> (IdleStep, bool) {
        let disconnect_at = self
            .policy
            .disconnect_after
            .and_then(|after| self.last_received.checked_add(after));
        if disconnect_at.is_some_and(|at| at <= now) {
            return (IdleStep::Disconnect, false);
        }
        let ping_at = |last_ping: Instant| {
            let quiet_since = self.last_received.max(last_ping);
            let after = self.policy.ping_after?;
            quiet_since.checked_add(after)
        };
        let ping = ping_at(self.last_ping).is_some_and(|at| at <= now);
        let last_ping = if ping { now } else { self.last_ping };
        let next = [disconnect_at, ping_at(last_ping)]
            .into_iter()
            .flatten()
            .min();
        self.last_ping = last_ping;
        (IdleStep::Wait(next), ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let policy = IdlePolicy {
            ping_after: Some(Duration::from_secs(10)),
            disconnect_after: Some(Duration::from_secs(35)),
        };
        let mut idle = Idle::new(policy, start);
        assert_eq!(idle.poll(at(9)), (IdleStep::Wait(Some(at(10))), false));
        assert_eq!(idle.poll(at(10)), (IdleStep::Wait(Some(at(20))), true));
        assert_eq!(idle.poll(at(11)), (IdleStep::Wait(Some(at(20))), false));
        idle.received(at(12));
        assert_eq!(idle.poll(at(20)), (IdleStep::Wait(Some(at(22))), false));
        assert_eq!(idle.poll(at(40)), (IdleStep::Wait(Some(at(47))), true));
        assert_eq!(idle.poll(at(47)), (IdleStep::Disconnect, false));
    }

    #[test]
    fn without_a_policy_it_waits_forever() {
        let start = Instant::now();
        let mut idle = Idle::new(IdlePolicy::default(), start);
        let later = start + Duration::from_secs(1 << 20);
        assert_eq!(idle.poll(later), (IdleStep::Wait(None), false));
    }
}
