//! `tahoe admin generate-keypair` and `derive-pubkey`.

use crate::Context;
use crate::error::{CommandError, Result};
use clap::Args;
use tahoe_crypto::SigningKey;
use tahoe_node::random_signing_key;

/// Make an Ed25519 key pair and print both halves
#[derive(Args)]
pub(crate) struct GenerateKeypair {}

/// Print the public half of an Ed25519 private key
#[derive(Args)]
pub(crate) struct DerivePubkey {
    /// The private key, priv-v0-…
    #[arg(value_name = "PRIVKEY")]
    private_key: String,
}

impl GenerateKeypair {
    pub(super) fn run(self, context: &Context) -> Result {
        let key = random_signing_key().map_err(|error| CommandError::caused_by(&error))?;
        print(&key, context);
        Ok(())
    }
}

impl DerivePubkey {
    pub(super) fn run(self, context: &Context) -> Result {
        let key = SigningKey::from_text(&self.private_key).map_err(|error| {
            CommandError::caused_by(&error).hint("A private key looks like priv-v0-…")
        })?;
        print(&key, context);
        Ok(())
    }
}

fn print(key: &SigningKey, context: &Context) {
    context.output.line(&format!("private: {}", key.to_text()));
    context
        .output
        .line(&format!("public: {}", key.verifying_key()));
}
