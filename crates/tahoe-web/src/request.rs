//! A request on its way to the resource that answers it.

use crate::args::Args;
use crate::content_type::ContentTypes;
use crate::error::WebError;
use crate::operations::Operations;
use crate::options::WebOptions;
use crate::serve::Stopped;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use tahoe_client::Client;
use tokio::sync::Semaphore;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) client: Arc<Client>,
    pub(crate) options: WebOptions,
    pub(crate) content_types: ContentTypes,
    pub(crate) operations: Operations,
    /// Places for pages that are told of changes.
    pub(crate) listeners: Arc<Semaphore>,
}

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) site: Arc<Site>,
    pub(crate) method: Method,
    /// Parts of the path, percent-decoded.
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) args: Args,
    pub(crate) headers: HeaderMap,
    /// Tells when answers that would go on for ever have to end.
    pub(crate) stopped: Option<Stopped>,
}

impl Call {
    pub(crate) fn new(site: Arc<Site>, parts: &Parts) -> Self {
        let path = parts.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path).split('/');
        Self {
            site,
            method: parts.method.clone(),
            path: path
                .map(|part| percent_decode_str(part).collect())
                .collect(),
            args: Args::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: parts.headers.clone(),
            stopped: parts.extensions.get().cloned(),
        }
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.site.client
    }

    /// Whether the method asks for a resource without changing it.
    pub(crate) fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// The format that a page is asked for in by `t=`, in upper case; none if there is no `t`.
    pub(crate) fn page_format(&self) -> Result<Option<String>, WebError> {
        match self.args.first("t") {
            None => Ok(None),
            Some(t) => match std::str::from_utf8(t) {
                Ok(t) if t.is_ascii() => Ok(Some(t.to_ascii_uppercase())),
                _ => Err(self.unknown_page_format()),
            },
        }
    }

    /// The answer to a `t=` that the page doesn't know.
    pub(crate) fn unknown_page_format(&self) -> WebError {
        let t = self.args.first("t").unwrap_or_default();
        WebError::unknown_format(t)
    }
}
