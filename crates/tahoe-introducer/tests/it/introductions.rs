//! Nodes find each other.

use crate::grid::{Node, client_tub, introducer, serve, signed, wait_until};
use std::sync::Arc;
use std::time::Duration;
use tahoe_introducer::{IntroducerLimits, read_cache};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_of_those_before_and_after_them() {
    let service = introducer(IntroducerLimits::default());
    let served = serve(Arc::new(service.clone())).await;
    let first = Node::start(&served.furl, vec![signed(1, "first", 1)]);
    wait_until("the first hears of itself", || {
        first.ears.nicknames() == ["first"]
    })
    .await;
    let second = Node::start(&served.furl, vec![signed(2, "second", 1)]);
    for node in [&first, &second] {
        let both = || node.ears.nicknames() == ["first", "second"];
        wait_until("each hears of both", both).await;
    }
    let status = first.client.status();
    assert!(status.is_connected);
    let hint = &served.furl.hints[0];
    assert_eq!(status.summary, format!("Connected to {hint} via tcp"));
    assert_eq!((status.problem, status.announcements), (None, 2));

    let subscribers = service.subscribers();
    assert_eq!(subscribers.len(), 2);
    assert_eq!(subscribers[0].tub_id, first.tub.tub_id().to_string());
    assert_eq!(
        (&*subscribers[0].nickname, &*subscribers[0].version),
        ("node", "test")
    );
    assert_eq!(service.announcements().len(), 2);

    // What was heard is kept for the next start.
    let cached = || read_cache(&first.ears.cache()).is_ok_and(|cache| cache.len() == 2);
    wait_until("the cache is written", cached).await;

    second.client.stop().await;
    second.tub.stop().await;
    wait_until("the subscriber is forgotten", || {
        service.subscribers().len() == 1
    })
    .await;
    assert_eq!(service.announcements().len(), 2, "the announcement stays");
    served.tub.stop().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_introducer_that_comes_back_is_told_again() {
    let service = introducer(IntroducerLimits::default());
    let served = serve(Arc::new(service.clone())).await;
    let node = Node::start(&served.furl, vec![signed(1, "n", 7)]);
    wait_until("connected", || node.client.status().is_connected).await;
    served.tub.stop().await;
    let lost = wait_until("the loss is noticed", || !node.client.status().is_connected).await;
    assert!(lost < Duration::from_secs(5), "{lost:?}");
    assert!(node.client.status().connected_at.is_none());
}

/// 100 nodes, each with a tub of its own, all of which hear of all others: 10 000 introductions.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_nodes_see_each_other() {
    const NODES: u8 = 100;
    let service = introducer(IntroducerLimits::default());
    let served = serve(Arc::new(service.clone())).await;
    let tubs: Vec<_> = (1..=NODES).map(|number| (number, client_tub())).collect();
    let start = tokio::time::Instant::now();
    let node = |(number, tub)| Node::start_with(tub, &served.furl, vec![signed(number, "n", 1)]);
    let nodes: Vec<_> = tubs.into_iter().map(node).collect();
    let all = || {
        let mut nodes = nodes.iter();
        nodes.all(|node| node.ears.count() == usize::from(NODES))
    };
    wait_until("all see each other", all).await;
    let took = start.elapsed();
    eprintln!("{NODES} nodes saw each other within {took:?}");
    // Much more than it takes, for a machine that is busy with other tests.
    assert!(took < Duration::from_secs(30), "{took:?}");
    for node in nodes {
        node.client.stop().await;
        node.tub.stop().await;
    }
    served.tub.stop().await;
    service.stop().await;
}
