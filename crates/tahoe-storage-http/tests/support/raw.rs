//! Requests and answers as bytes, so that nothing is too wrong to be sent.

use super::SWISSNUM;
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tahoe_storage_http::Nurl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A request in the making. Without [`Self::header`] it has only `Host` and a right swissnum.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Raw {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let swissnum = format!("Tahoe-LAFS {}", BASE64.encode(SWISSNUM.as_bytes()));
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
        .header("Authorization", swissnum)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Takes away a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn secret(self, name: &str, bytes: &[u8]) -> Self {
        let secret = format!("{name} {}", BASE64.encode(bytes));
        self.header("X-Tahoe-Authorization", secret)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The head of the request; `extra` are lines with their ends.
    pub(crate) fn head(&self, extra: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: x\r\n{extra}",
            self.method, self.path
        )
        .into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Sends the request over a connection of its own.
    pub(crate) async fn send(&self, nurl: &Nurl) -> RawAnswer {
        let mut extra = "Connection: close\r\n".to_owned();
        if let Some(body) = &self.body {
            extra += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = self.head(&extra);
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        let mut stream = connect(nurl).await;
        stream.write_all(&bytes).await.unwrap();
        // Without it the last record may stay in the buffer of TLS.
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(60), read).await;
        read.expect("an answer").unwrap();
        RawAnswer::parse(&answer)
    }
}

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("not an answer: {bytes:?}"));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = &bytes[end + 4..];
        let mut whole = Vec::new();
        if headers
            .get("transfer-encoding")
            .is_some_and(|e| e == "chunked")
        {
            loop {
                let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
                let size = std::str::from_utf8(&body[..end]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                if size == 0 {
                    break;
                }
                whole.extend_from_slice(&body[end + 2..][..size]);
                body = &body[end + 2 + size + 2..];
            }
        } else {
            whole.extend_from_slice(body);
        }
        Self {
            status: status.parse().unwrap(),
            headers,
            body: whole,
        }
    }
}

/// Connects without looking at the certificate.
pub(crate) async fn connect(nurl: &Nurl) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnyone))
        .with_no_client_auth();
    let stream = TcpStream::connect((nurl.host(), nurl.port()))
        .await
        .unwrap();
    stream.set_nodelay(true).unwrap();
    let name = rustls::pki_types::ServerName::try_from("x").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

#[derive(Debug)]
struct TrustAnyone;

mod trust {
    use super::TrustAnyone;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    impl ServerCertVerifier for TrustAnyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
}
