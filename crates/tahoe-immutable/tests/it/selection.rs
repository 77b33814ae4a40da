//! Server selection against Tahoe-LAFS itself: who is asked for which share, and what it says when
//! that isn't enough.

use crate::grid::{content, parameters, secret};
use crate::oracle::Oracle;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use tahoe_crypto::{LeaseMaster, StorageIndex, TubId};
use tahoe_immutable::{CpuPool, Received, Receiver, UploadError, Uploader};
use tahoe_storage_api::testing::{Call, Fault, Faulty, MemoryStore, test_server};
use tahoe_storage_api::{Server, ServerDirectory, ServerVersion, ShareNumber, StorageService as _};

/// A directory in which the order is as given.
#[derive(Debug)]
struct InOrder(Vec<Arc<Server>>);

impl ServerDirectory for InOrder {
    fn servers_for(&self, _: &StorageIndex) -> Vec<Arc<Server>> {
        self.0.clone()
    }
}

/// How a server is going to behave.
#[derive(Debug)]
struct Told {
    writable: bool,
    dead: bool,
    full: bool,
    shares: BTreeSet<u8>,
}

struct Case {
    servers: Vec<Told>,
    needed: u8,
    happy: u8,
    total: u8,
}

impl Case {
    fn random(random: &mut StdRng) -> Self {
        let total = random.random_range(1..=10);
        let needed = random.random_range(1..=total);
        let populated = random.random_bool(0.6);
        let servers = (0..random.random_range(1..=12)).map(|_| Told {
            writable: random.random_bool(0.8),
            dead: random.random_bool(0.1),
            full: random.random_bool(0.1),
            shares: match populated && random.random_bool(0.5) {
                true => (0..2).map(|_| random.random_range(0..total)).collect(),
                false => BTreeSet::new(),
            },
        });
        Self {
            servers: servers.collect(),
            needed,
            happy: random.random_range(1..=total),
            total,
        }
    }

    fn question(&self) -> Value {
        let servers = self.servers.iter().enumerate().map(|(number, told)| {
            json!({
                "name": format!("v0-server{number}"),
                "writable": told.writable,
                "dead": told.dead,
                "full": told.full,
                "shares": told.shares,
            })
        });
        let servers: Vec<Value> = servers.collect();
        json!({"servers": servers, "k": self.needed, "happy": self.happy, "n": self.total})
    }
}

async fn receive(case: &Case, pool: &CpuPool) -> Received {
    let [needed, happy, total] = [case.needed, case.happy, case.total].map(u16::from);
    let parameters = parameters(needed, happy, total, 1 << 20);
    let mut receiver = Receiver::new(parameters, secret(), std::env::temp_dir(), pool.clone());
    receiver.write(content(1000)).await.unwrap();
    receiver.finish().await.unwrap()
}

/// Puts the shares there that a server is told to have.
async fn populate(case: &Case, pool: &CpuPool) -> Vec<Arc<MemoryStore>> {
    let mut stores = Vec::new();
    for (number, told) in (0u8..).zip(&case.servers) {
        let store = Arc::new(MemoryStore::new(TubId::from_bytes([number; 20])));
        let version = store.version().await.unwrap();
        let only = InOrder(vec![Arc::new(test_server(
            number,
            version,
            Arc::clone(&store) as _,
        ))]);
        let uploader = uploader(Arc::new(only), pool);
        let parameters_for_any = Case {
            servers: Vec::new(),
            happy: 1,
            ..*case
        };
        let file = receive(&parameters_for_any, pool).await;
        let stored = uploader.upload(file, &Arc::default()).await.unwrap();
        let index = stored.cap.storage_index().unwrap();
        for share in (0..case.total).filter(|share| !told.shares.contains(share)) {
            assert!(store.remove_share(&index, ShareNumber(share)));
        }
        stores.push(store);
    }
    stores
}

fn uploader(servers: Arc<InOrder>, pool: &CpuPool) -> Uploader {
    Uploader::new(servers, LeaseMaster::from_bytes([7; 32]), pool.clone())
}

/// The sentence and the figures, without the names around them.
fn essence(text: &str) -> &str {
    let start = text.find("shares could be").unwrap();
    let end = text.find("), merged=").unwrap();
    &text[start..end]
}

#[tokio::test]
async fn servers_are_selected_as_the_original_selects_them() {
    let mut oracle = Oracle::start("selector.py");
    let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
    let (mut placed, mut refused) = (0, 0);
    for seed in 0..400 {
        let case = Case::random(&mut StdRng::seed_from_u64(seed));
        let expected = oracle.ask(&case.question());
        let stores = populate(&case, &pool).await;
        let mut servers = Vec::new();
        for ((number, told), store) in (0..).zip(&case.servers).zip(&stores) {
            let version = ServerVersion {
                maximum_immutable_share_size: if told.writable { 1 << 40 } else { 0 },
                ..store.version().await.unwrap()
            };
            store.set_read_only(!told.writable);
            let faulty = Faulty::new(Arc::clone(store) as _);
            if told.full {
                faulty.add(Fault::NoSpace.on(Call::AllocateShares));
            }
            if told.dead {
                faulty.add(Fault::Vanish.always());
            }
            servers.push(Arc::new(test_server(number, version, Arc::new(faulty))));
        }
        let uploader = uploader(Arc::new(InOrder(servers)), &pool);
        let result = uploader
            .upload(receive(&case, &pool).await, &Arc::default())
            .await;
        match (&expected["error"], result) {
            (Value::Null, result) => {
                let results = result.unwrap_or_else(|error| {
                    panic!("seed {seed}: {error}\n{expected}\n{}", case.question())
                });
                assert_eq!(
                    expected["existing"], results.preexisting_shares,
                    "seed {seed}"
                );
                if expected["rounds"].as_u64() == Some(1) {
                    let map = results.server_map().into_iter();
                    let map: BTreeMap<_, Vec<u8>> = map
                        .map(|(id, shares)| (id.as_str(), shares.iter().map(|s| s.0).collect()))
                        .collect();
                    assert_eq!(
                        expected["allocated"],
                        json!(map),
                        "seed {seed}: {}",
                        case.question()
                    );
                    placed += 1;
                }
            }
            (Value::String(text), Err(UploadError::Unhappy(unhappy))) => {
                if expected["rounds"].as_u64() == Some(1) {
                    assert_eq!(essence(text), essence(&unhappy.text), "seed {seed}");
                    refused += 1;
                }
            }
            // The original doesn't look for other servers when one is full; we do.
            (Value::String(_), Ok(_)) if expected["rounds"].as_u64() > Some(1) => {}
            (expected, result) => panic!("seed {seed}: {expected}, {result:?}"),
        }
    }
    assert!(
        placed > 100 && refused > 50,
        "{placed} placed, {refused} refused"
    );
}
