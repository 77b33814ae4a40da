//! Servers in memory, each of which can be made to misbehave, and gateways to them.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_caps::{ChkReadCap, MutableFormat, ReadFileCap};
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, TubId};
use tahoe_directory::{
    Child, ChildName, Children, Directories, Directory, DirectoryError, ImmutableFiles, Metadata,
    NewChild, Node, Surroundings,
};
use tahoe_immutable::{Downloader, KeySource, Receiver, UploadParameters, Uploader};
use tahoe_mutable::{MutableFiles, MutableStatus, RsaKeyPool};
use tahoe_share::EncodingParameters;
use tahoe_storage_api::ServerDirectory;
use tahoe_storage_api::StorageService as _;
use tahoe_storage_api::testing::{Call, Faulty, FixedServers, MemoryStore, test_server};
use tahoe_tasks::CpuPool;

pub(crate) const SSK: &str = "URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:\
                              hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq";

/// Servers, and how k-of-N files lie on them.
pub(crate) struct Grid {
    pub(crate) faults: Vec<Arc<Faulty>>,
    needed: u64,
    total: u64,
}

impl Grid {
    pub(crate) fn new(servers: u8, needed: u64, total: u64) -> Self {
        let faulty = |number| {
            let store = MemoryStore::new(TubId::from_bytes([number; 20]));
            Arc::new(Faulty::new(Arc::new(store)))
        };
        Self {
            faults: (0..servers).map(faulty).collect(),
            needed,
            total,
        }
    }

    /// A gateway to all servers.
    pub(crate) async fn gateway(&self) -> Directories {
        let store = MemoryStore::new(TubId::from_bytes([0; 20]));
        let version = store.version().await.unwrap();
        let servers =
            self.faults.iter().zip(0..).map(|(faulty, number)| {
                test_server(number, version.clone(), Arc::clone(faulty) as _)
            });
        let servers: Arc<dyn ServerDirectory> = Arc::new(FixedServers::new(servers));
        let encoding = EncodingParameters::new(self.needed, self.total).unwrap();
        let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
        let master = LeaseMaster::from_bytes([7; 32]);
        let randomness = || StdRng::seed_from_u64(5);
        let parameters = UploadParameters::new(encoding, 1, 1 << 20).unwrap();
        Directories::new(Surroundings {
            mutable: MutableFiles::new(
                Arc::clone(&servers),
                master.clone(),
                encoding,
                pool.clone(),
                Arc::new(RsaKeyPool::without_stock(&pool)),
                Box::new(randomness()),
                Arc::new(|_: &Arc<MutableStatus>| {}),
            ),
            immutable: Arc::new(Files {
                uploader: Uploader::new(Arc::clone(&servers), master, pool.clone()),
                downloader: Downloader::new(servers, pool.clone()),
                parameters,
                pool: pool.clone(),
            }),
            pool,
            clock: Arc::new(SystemTime::now),
        })
    }

    /// How often a call was made of all servers together.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.faults.iter().map(|faulty| faulty.count(call)).sum()
    }
}

/// Immutable files on the same servers.
#[derive(Debug)]
struct Files {
    uploader: Uploader,
    downloader: Downloader,
    parameters: UploadParameters,
    pool: CpuPool,
}

#[async_trait]
impl ImmutableFiles for Files {
    async fn store(&self, contents: Bytes) -> Result<ReadFileCap, DirectoryError> {
        let key = KeySource::Convergent(ConvergenceSecret::new(b"secret".to_vec()));
        let directory = std::env::temp_dir();
        let mut receiver = Receiver::new(self.parameters, key, directory, self.pool.clone());
        receiver.write(contents).await?;
        let received = receiver.finish().await?;
        let stored = self.uploader.upload(received, &Arc::default()).await?;
        Ok(stored.cap.file)
    }

    async fn fetch(&self, cap: &ChkReadCap) -> Result<Bytes, DirectoryError> {
        let mut contents = BytesMut::new();
        let mut pieces = self.downloader.open(cap)?.read(0..cap.size);
        while let Some(piece) = pieces.next_piece().await {
            contents.extend_from_slice(&piece?);
        }
        Ok(contents.freeze())
    }
}

pub(crate) fn name(text: &str) -> ChildName {
    ChildName::new(text)
}

pub(crate) fn literal(content: &str) -> Node {
    node(&format!(
        "URI:LIT:{}",
        tahoe_encoding::base32::encode(content.as_bytes())
    ))
}

pub(crate) fn node(text: &str) -> Node {
    Node::from_slots(Some(text), None, false).unwrap()
}

pub(crate) fn new_child(node: Node) -> NewChild {
    let metadata = None;
    NewChild { node, metadata }
}

/// Children without metadata.
pub(crate) fn children<const N: usize>(children: [(&str, Node); N]) -> Children {
    let child = |node| Child {
        node,
        metadata: Metadata::default(),
    };
    let named = children.map(|(text, node)| (name(text), child(node)));
    named.into_iter().collect()
}

pub(crate) async fn empty(gateway: &Directories) -> Directory {
    let created = gateway.create(MutableFormat::Sdmf, None, Children::new());
    created.await.unwrap()
}

/// The names in a directory.
pub(crate) async fn names(gateway: &Directories, directory: &Directory) -> Vec<String> {
    let listing = gateway.list(directory).await.unwrap();
    listing
        .children()
        .map(|(name, _)| name.to_string())
        .collect()
}

/// The same directory for who may only read it.
pub(crate) fn read_only(directory: &Directory) -> Directory {
    Directory::of(&directory.to_node().to_read_only().unwrap()).unwrap()
}
