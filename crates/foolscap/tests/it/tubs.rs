//! Tubs for tests.

use foolscap::{Furl, Referenceable, Tub, TubId, TubIdentity, TubOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long anything may take on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An identity of a kind that is quickly made.
pub(crate) fn identity() -> TubIdentity {
    TubIdentity::ephemeral().unwrap()
}

/// An identity that is the master of `peer`, or that isn't.
pub(crate) fn identity_beside(peer: TubId, master: bool) -> TubIdentity {
    let mut identities = std::iter::repeat_with(identity);
    let found = identities.find(|identity| (identity.tub_id() > peer) == master);
    found.expect("one of two")
}

/// A tub that connects.
pub(crate) fn client(identity: TubIdentity) -> Tub {
    Tub::new(identity, TubOptions::default()).unwrap()
}

/// A tub that listens, with one object.
pub(crate) async fn server(
    identity: TubIdentity,
    options: TubOptions,
    object: Arc<dyn Referenceable>,
) -> (Tub, Furl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hint = format!("tcp:{}", listener.local_addr().unwrap());
    let location = vec![hint];
    let tub = Tub::new(
        identity,
        TubOptions {
            location,
            ..options
        },
    )
    .unwrap();
    let furl = tub.register(object, None).unwrap();
    tub.listen(listener);
    (tub, furl)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("it isn't so: {what}"));
}
