//! How fast shares and small calls pass over HTTPS on loopback, client and server in one process.
//!
//! The service behind the server costs nothing, so the figures are those of the transport: TLS,
//! HTTP, copies and wake-ups of both sides. `cargo bench -p tahoe-storage-http` prints them;
//! with `-- --test` each row runs once, to see that it works.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program for measurements"
)]

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ServerVersion, ShareKind, ShareNumber,
    ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
};
use tahoe_storage_http::{
    ClientOptions, HttpStorageClient, Nurl, NurlNetwork, ServerHandle, ServerLimits, ServerTls,
    StorageHttpServer, Swissnum,
};
use tokio::net::TcpListener;

const SHARE_SIZE: usize = 64 << 20;

/// Takes everything and keeps nothing; its one share is always there.
#[derive(Debug)]
struct Void {
    share: Bytes,
}

#[async_trait]
impl StorageService for Void {
    async fn version(&self) -> Result<ServerVersion, StorageError> {
        Ok(ServerVersion {
            maximum_immutable_share_size: 1 << 40,
            maximum_mutable_share_size: 1 << 40,
            available_space: 1 << 40,
            application_version: "void/0".to_owned(),
        })
    }

    async fn allocate_shares(
        &self,
        _: &StorageIndex,
        _: &BTreeSet<ShareNumber>,
        _: u64,
        _: &LeaseSecrets,
        _: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        Ok(Allocation::default())
    }

    async fn write_share(
        &self,
        _: &StorageIndex,
        _: ShareNumber,
        _: &UploadSecret,
        _: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        drop(data);
        let missing = std::iter::once(0..1 << 40).collect();
        Ok(WriteProgress::Partial { missing })
    }

    async fn abort_share(
        &self,
        _: &StorageIndex,
        _: ShareNumber,
        _: &UploadSecret,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn list_shares(
        &self,
        _: ShareKind,
        _: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        Ok(BTreeSet::from([ShareNumber(0)]))
    }

    async fn read_share(
        &self,
        _: ShareKind,
        _: &StorageIndex,
        _: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let start = usize::try_from(range.offset).unwrap().min(SHARE_SIZE);
        let length = usize::try_from(range.length).unwrap();
        Ok(self.share.slice(start..SHARE_SIZE.min(start + length)))
    }

    async fn share_size(
        &self,
        _: ShareKind,
        _: &StorageIndex,
        _: ShareNumber,
    ) -> Result<u64, StorageError> {
        Ok(SHARE_SIZE as u64)
    }

    async fn add_lease(&self, _: &StorageIndex, _: &LeaseSecrets) -> Result<(), StorageError> {
        Ok(())
    }

    async fn advise_corrupt_share(
        &self,
        _: ShareKind,
        _: &StorageIndex,
        _: ShareNumber,
        _: &str,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn read_test_write(
        &self,
        _: &StorageIndex,
        _: &SlotSecrets,
        _: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        Ok(ReadTestWriteOutcome {
            success: true,
            data: [].into(),
        })
    }
}

async fn start() -> (Arc<HttpStorageClient>, ServerHandle) {
    let certified = rcgen::generate_simple_self_signed(["newpb_thingy".to_owned()]).unwrap();
    let pem = certified.cert.pem() + &certified.signing_key.serialize_pem();
    let tls = ServerTls::from_pem(pem.as_bytes()).unwrap();
    let swissnum = Swissnum::new("swissnum").unwrap();
    let service = Arc::new(Void {
        share: vec![7; SHARE_SIZE].into(),
    });
    let server = StorageHttpServer::new(service, &swissnum, &tls, ServerLimits::default());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = server.serve(listener).unwrap();
    let port = server.local_address().port();
    let host = "127.0.0.1";
    let nurl = Nurl::new(NurlNetwork::Tcp, *tls.key_hash(), host, port, swissnum).unwrap();
    let client = HttpStorageClient::new(nurl, ClientOptions::default()).unwrap();
    (Arc::new(client), server)
}

/// What a row of the table measured.
struct Measured {
    calls: f64,
    seconds: f64,
    /// Of both sides, in user and kernel mode.
    cpu_seconds: f64,
}

/// CPU time that this process has used, in seconds.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap().as_secs_f64()
}

/// Runs a call again and again in `tasks` tasks for a while.
async fn rate<F: Future<Output = ()> + Send>(
    once: bool,
    tasks: usize,
    call: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> Measured {
    let limit = if once {
        Duration::ZERO
    } else {
        Duration::from_secs(2)
    };
    call().await;
    let (started, cpu_started) = (Instant::now(), cpu_seconds());
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let call = call.clone();
        running.spawn(async move {
            let mut calls = 0u32;
            loop {
                call().await;
                calls += 1;
                if started.elapsed() >= limit {
                    return calls;
                }
            }
        });
    }
    let calls: u32 = running.join_all().await.iter().sum();
    Measured {
        calls: f64::from(calls),
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu_started,
    }
}

fn main() {
    let once = std::env::args().any(|argument| argument == "--test");
    let only = std::env::args().nth(1).filter(|a| !a.starts_with("--"));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, server) = start().await;
        let index = StorageIndex::from_bytes([1; 16]);
        for size in [16 << 10, 128 << 10, 1 << 20, 16 << 20] {
            for tasks in [1, 4] {
                if wanted("read") {
                    let client = Arc::clone(&client);
                    let length = u64::try_from(size).unwrap();
                    let range = ShareRange { offset: 0, length };
                    let measured = rate(once, tasks, move || {
                        let client = Arc::clone(&client);
                        async move {
                            let kind = ShareKind::Immutable;
                            let read = client.read_share(kind, &index, ShareNumber(0), range);
                            assert_eq!(read.await.unwrap().len(), size);
                        }
                    })
                    .await;
                    report("read", Some(size), tasks, &measured);
                }
                if wanted("write") {
                    let client = Arc::clone(&client);
                    let data = Bytes::from(vec![7; size]);
                    let measured = rate(once, tasks, move || {
                        let (client, data) = (Arc::clone(&client), data.clone());
                        async move {
                            let secret = UploadSecret::from_bytes([1; 20]);
                            let write =
                                client.write_share(&index, ShareNumber(0), &secret, 0, data);
                            write.await.unwrap();
                        }
                    })
                    .await;
                    report("write", Some(size), tasks, &measured);
                }
            }
        }
        for tasks in [1, 10] {
            if wanted("list") {
                let client = Arc::clone(&client);
                let measured = rate(once, tasks, move || {
                    let client = Arc::clone(&client);
                    async move {
                        let shares = client.list_shares(ShareKind::Immutable, &index);
                        assert_eq!(shares.await.unwrap().len(), 1);
                    }
                })
                .await;
                report("list", None, tasks, &measured);
            }
        }
        server.shutdown(Duration::from_secs(5)).await;
    });
}

fn report(what: &str, size: Option<usize>, tasks: usize, measured: &Measured) {
    let Measured {
        calls,
        seconds,
        cpu_seconds,
    } = measured;
    let per_second = calls / seconds;
    let cpu = cpu_seconds / calls * 1e6;
    print!("{what:<5} ");
    match size {
        Some(size) => print!("{:>5} KiB", size >> 10),
        None => print!("         "),
    }
    print!("  {tasks:>2} at once  {per_second:>7.0} calls/s  {cpu:>8.1} µs CPU each");
    if let Some(size) = size {
        let mebibytes = f64::from(u32::try_from(size).unwrap()) / f64::from(1 << 20) * calls;
        let (rate, per_cpu) = (mebibytes / seconds, mebibytes / cpu_seconds);
        print!("  {rate:>7.1} MiB/s  {per_cpu:>7.1} MiB per CPU second");
    }
    println!();
}
