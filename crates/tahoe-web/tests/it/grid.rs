//! A gateway over servers in memory, and requests to it.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use rand::SeedableRng as _;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_client::{
    Blacklist, BrokerOptions, Client, ClientConfig, ConnectionOverrides, EncodingParameters, Furl,
    Nurl, ReadyKeys, ServerEntry, Surroundings, TransferLimits, Transport, UploadParameters,
};
use tahoe_crypto::{ConvergenceSecret, LeaseMaster, ServerId, TubId};
use tahoe_storage_api::testing::{Faulty, MemoryStore};
use tahoe_storage_api::{StorageError, StorageService};
use tahoe_web::{WebOptions, router};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// Servers by the NURL that names them.
#[derive(Debug, Default)]
struct MemoryTransport(HashMap<String, Arc<Faulty>>);

impl Transport for MemoryTransport {
    fn connect(
        &self,
        nurl: &Nurl,
        _overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        let service = self.0.get(&*nurl.to_text());
        let service = service.ok_or_else(|| StorageError::Unreachable {
            reason: "connection refused".to_owned(),
            may_have_happened: false,
        })?;
        Ok(Arc::clone(service) as Arc<dyn StorageService>)
    }

    fn connect_foolscap(
        &self,
        furl: &Furl,
        _overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        Err(StorageError::Unreachable {
            reason: format!("nobody is at {:?}", furl.hints),
            may_have_happened: false,
        })
    }
}

/// A gateway and its servers.
pub(crate) struct Grid {
    pub(crate) client: Arc<Client>,
    pub(crate) services: Vec<Arc<Faulty>>,
    pub(crate) router: Router,
    /// Holds the temporary directory and `static/`.
    pub(crate) dir: TempDir,
}

/// An answer, all of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Grid {
    /// 3-of-5 on five servers.
    pub(crate) async fn new() -> Self {
        Self::with(5, 3, 5, 5).await
    }

    /// `servers` servers and k-of-N with this happiness.
    pub(crate) async fn with(servers: u8, needed: u64, happy: u16, total: u64) -> Self {
        let encoding = EncodingParameters::new(needed, total).unwrap();
        let encoding = UploadParameters::new(encoding, happy, 128 * 1024).unwrap();
        Self::start(servers, encoding, ConvergenceSecret::new(vec![1; 32])).await
    }

    /// `servers` servers, this encoding and this secret.
    pub(crate) async fn start(
        servers: u8,
        encoding: UploadParameters,
        convergence: ConvergenceSecret,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tempdir = dir.path().join("tmp");
        let static_dir = dir.path().join("static");
        std::fs::create_dir(&tempdir).unwrap();
        let mut transport = MemoryTransport::default();
        let mut services = Vec::new();
        let mut yaml = "storage:\n".to_owned();
        for number in 0..servers {
            let store = Arc::new(MemoryStore::new(TubId::from_bytes([number; 20])));
            let service = Arc::new(Faulty::new(store));
            let key = "7d3GzhVrtb611jhXrCtt3LBWDzGnZhqLZuOMCXvHyf4";
            let nurl = format!(
                "pb://{key}@127.0.0.1:{}/secret#v=1",
                1000 + u32::from(number)
            );
            yaml += &format!(
                "  v0-server{number}: {{ann: {{nickname: 'nick{number} <b>', \
                 anonymous-storage-FURL: 'pb://{}@tcp:h:1/secret', \
                 anonymous-storage-NURLs: ['{nurl}']}}}}\n",
                TubId::from_bytes([number; 20]),
            );
            transport.0.insert(nurl, Arc::clone(&service));
            services.push(service);
        }
        let path = dir.path().join("servers.yaml");
        std::fs::write(&path, yaml).unwrap();
        let config = ClientConfig {
            blacklist: Blacklist::open(dir.path().join("access.blacklist"))
                .unwrap()
                .into(),
            nickname: "gateway & co".to_owned(),
            node_id: ServerId::new("v0-gateway"),
            tub_id: TubId::from_bytes([99; 20]),
            application_version: "tahoe-lafs/test".to_owned(),
            convergence,
            lease_master: LeaseMaster::from_bytes([2; 32]),
            encoding,
            mutable_format: tahoe_caps::MutableFormat::Sdmf,
            tempdir,
            broker: BrokerOptions::default(),
            limits: TransferLimits {
                ready_keys: ReadyKeys {
                    at_first: 0,
                    most: 0,
                },
                ..TransferLimits::default()
            },
        };
        let surroundings = Surroundings {
            transport: Arc::new(transport),
            clock: Arc::new(SystemTime::now),
            randomness: Box::new(rand::rngs::StdRng::seed_from_u64(7)),
            cpu_threads: NonZeroUsize::new(2).unwrap(),
            unused_keys: Vec::new(),
        };
        let entries = ServerEntry::read_servers_yaml(&path).unwrap();
        let client = Client::start(config, entries, surroundings);
        client.broker().wait_for_servers(servers.into()).await;
        let options = WebOptions {
            static_dir: Some(static_dir),
            ..WebOptions::default()
        };
        Self {
            router: router(Arc::clone(&client), options),
            client,
            services,
            dir,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let method = request.method().clone();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["x-frame-options"], "DENY");
        assert_eq!(parts.headers["referrer-policy"], "no-referrer");
        let body = body.collect().await.unwrap().to_bytes();
        if method == http::Method::HEAD {
            assert!(body.is_empty());
        } else if let Some(length) = parts.headers.get("content-length") {
            assert_eq!(length.to_str().unwrap(), body.len().to_string());
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends a request without headers.
    pub(crate) async fn ask(&self, method: &str, uri: &str) -> Answer {
        self.ask_with(method, uri, &[], "").await
    }

    /// Sends a request with these headers and this body.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.into())).unwrap())
            .await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri).await
    }

    /// Begins to GET: the answer's body isn't read.
    pub(crate) async fn begin(&self, uri: &str) -> axum::response::Response {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response
    }

    /// Stores a file and returns its capability.
    pub(crate) async fn put(&self, content: &[u8]) -> String {
        let answer = self
            .ask_with("PUT", "/uri", &[], Bytes::copy_from_slice(content))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    /// Sends a form in which a field's name may be followed by `; filename="…"`.
    pub(crate) async fn post_form(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [("content-type", "multipart/form-data; boundary=BOUNDARY")];
        self.ask_with("POST", uri, &headers, form(fields)).await
    }
}

/// A multipart form with the boundary `BOUNDARY`.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        let (name, rest) = name
            .split_once(';')
            .map_or((*name, String::new()), |(name, rest)| {
                (name, format!("; {}", rest.trim()))
            });
        form += "--BOUNDARY\r\nContent-Disposition: form-data; ";
        form += &format!("name=\"{name}\"{rest}\r\n\r\n{value}\r\n");
    }
    form + "--BOUNDARY--\r\n"
}

/// Bytes that look like nothing in particular.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}
