//! `tahoe debug dump-cap`: what a capability holds and what follows from it.

use crate::error::{CommandError, Result};
use crate::output::Output;
use crate::quote::{quoted, quoted_bytes};
use crate::{Context, paths};
use clap::Args;
use tahoe_caps::{
    Cap, CapKind, MutableReadCap, MutableVerifyCap, MutableWriteCap, ReadFileCap, VerifyFileCap,
    cap_text_of_argument,
};
use tahoe_crypto::{LeaseMaster, StorageIndex, TubId};

/// Print what a capability holds: its kind, its storage index, the keys that follow from it
///
/// With a server's id the write enabler is printed too, with a client's secret also the secrets of
/// leases. All of these are secrets.
#[derive(Args)]
pub(super) struct DumpCap {
    /// The storage server's tub id, for write enablers and lease secrets
    #[arg(short, long, value_name = "ID")]
    nodeid: Option<String>,
    /// The client's base secret, for lease secrets
    #[arg(short, long, value_name = "SECRET")]
    client_secret: Option<String>,
    /// The client's node directory, to read its base secret from
    #[arg(short = 'd', long, value_name = "DIR")]
    client_dir: Option<String>,
    /// The capability, or a URL of a node that contains it
    #[arg(value_name = "CAP")]
    capability: String,
}

impl DumpCap {
    pub(super) fn run(self, context: &Context) -> Result {
        let server = self.nodeid.as_deref().map(tub_id).transpose()?;
        let master = self.lease_master()?;
        let text = cap_text_of_argument(&self.capability).ok_or_else(|| {
            CommandError::failed("the URL does not contain /uri/ and a capability")
        })?;
        let dump = Dump {
            output: context.output,
            master,
            server,
        };
        context.output.line("");
        dump.cap(&Cap::parse(&text));
        Ok(())
    }

    fn lease_master(&self) -> Result<Option<LeaseMaster>> {
        let text = match (&self.client_secret, &self.client_dir) {
            (Some(secret), _) => secret.clone(),
            (None, Some(directory)) => {
                // As the original: a directory without a secret gives none.
                let path = paths::argument(directory)?.join("private/secret");
                match std::fs::read_to_string(path) {
                    Ok(text) => text,
                    Err(_) => return Ok(None),
                }
            }
            (None, None) => return Ok(None),
        };
        match LeaseMaster::from_base32(text.trim()) {
            Ok(master) => Ok(Some(master)),
            Err(_) => Err(CommandError::failed(
                "the client secret must be 32 bytes in base32",
            )),
        }
    }
}

fn tub_id(text: &str) -> Result<TubId> {
    let wrong = || CommandError::failed(format!("{} is not a tub id", quoted(text)));
    text.to_ascii_lowercase().parse().map_err(|_| wrong())
}

/// Prints lines about capabilities.
struct Dump {
    output: Output,
    master: Option<LeaseMaster>,
    server: Option<TubId>,
}

impl Dump {
    fn line(&self, name: &str, value: impl std::fmt::Display) {
        self.output.line(&format!(" {name}: {value}"));
    }

    fn cap(&self, cap: &Cap) {
        let Some(title) = cap.kind().and_then(title) else {
            return self.output.line("unknown cap type");
        };
        self.output.line(title);
        match cap {
            Cap::Write(cap) => self.mutable_write(&cap.file),
            Cap::Read(cap) => match &cap.file {
                ReadFileCap::Chk(file) => {
                    self.line("key", file.key.to_base32());
                    let verify = file.to_verify();
                    self.immutable(&verify);
                    self.lease_secrets(&verify.storage_index);
                }
                ReadFileCap::Literal(file) => self.line("data", quoted_bytes(file.content())),
                ReadFileCap::Mutable(file) => self.mutable_read(file),
            },
            Cap::Verify(cap) => match &cap.file {
                VerifyFileCap::Chk(file) => self.immutable(file),
                VerifyFileCap::Mutable(file) => self.mutable_verify(file),
            },
            Cap::Unknown(_) => {}
        }
    }

    fn immutable(&self, file: &tahoe_caps::ChkVerifyCap) {
        self.line("UEB hash", file.uri_extension_hash);
        self.line("size", file.size);
        self.line(
            "k/N",
            format!("{}/{}", file.shares_needed, file.shares_total),
        );
        self.line("storage index", file.storage_index);
    }

    fn mutable_write(&self, file: &MutableWriteCap) {
        self.line("writekey", file.write_key.to_base32());
        self.mutable_read(&file.to_read());
        self.output.line("");
        if let Some(server) = &self.server {
            let enabler = file.write_key.write_enabler(server);
            self.line("write_enabler", enabler.to_base32());
            self.output.line("");
        }
        self.lease_secrets(&file.storage_index());
    }

    fn mutable_read(&self, file: &MutableReadCap) {
        self.line("readkey", file.read_key.to_base32());
        self.mutable_verify(&file.to_verify());
    }

    fn mutable_verify(&self, file: &MutableVerifyCap) {
        self.line("storage index", file.storage_index);
        self.line("fingerprint", file.fingerprint);
    }

    fn lease_secrets(&self, storage_index: &StorageIndex) {
        let Some(master) = &self.master else { return };
        let secrets = self
            .server
            .map(|server| master.lease_secrets(storage_index, &server));
        let renew = master.renew_steps(storage_index);
        self.line("client renewal secret", renew.client.to_base32());
        self.line("file renewal secret", renew.file.to_base32());
        if let Some(secrets) = &secrets {
            self.line("lease renewal secret", secrets.renew.to_base32());
        }
        let cancel = master.cancel_steps(storage_index);
        self.line("client cancel secret", cancel.client.to_base32());
        self.line("file cancel secret", cancel.file.to_base32());
        if let Some(secrets) = &secrets {
            self.line("lease cancel secret", secrets.cancel.to_base32());
        }
    }
}

/// What the original calls a kind; it doesn't know directories inside their capability.
fn title(kind: CapKind) -> Option<&'static str> {
    match kind {
        CapKind::Chk => Some("CHK File:"),
        CapKind::ChkVerifier => Some("CHK Verifier URI:"),
        CapKind::Lit => Some("Literal File URI:"),
        CapKind::Ssk => Some("SDMF Writeable URI:"),
        CapKind::SskRo => Some("SDMF Read-only URI:"),
        CapKind::SskVerifier => Some("SDMF Verifier URI:"),
        CapKind::Mdmf => Some("MDMF Writeable URI:"),
        CapKind::MdmfRo => Some("MDMF Read-only URI:"),
        CapKind::MdmfVerifier => Some("MDMF Verifier URI:"),
        CapKind::Dir2Chk => Some("CHK Directory URI:"),
        CapKind::Dir2ChkVerifier => Some("CHK Directory Verifier URI:"),
        CapKind::Dir2 | CapKind::Dir2Mdmf => Some("Directory Writeable URI:"),
        CapKind::Dir2Ro | CapKind::Dir2MdmfRo => Some("Directory Read-only URI:"),
        CapKind::Dir2Verifier | CapKind::Dir2MdmfVerifier => Some("Directory Verifier URI:"),
        CapKind::Dir2Lit => None,
    }
}
