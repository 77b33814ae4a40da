//! The `grid-manager` command: certificates for the storage servers of a grid.
//!
//! Commands, files, streams and exit statuses are the reference's: 1 if something failed, 2 for a
//! wrong command line.

#[path = "../../output.rs"]
mod output;
mod records;

use clap::{Parser, Subcommand};
use output::Output;
use records::{Place, Records, Stored};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tahoe_crypto::VerifyingKey;
use tahoe_introducer::grid_manager::{CertificateError, GridManager};
use time::OffsetDateTime;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
/// The longest that a certificate may last.
const MAX_DAYS: u64 = 5 * 365;

/// A grid manager issues certificates to storage servers
///
/// A client that is told a grid manager's public key puts new shares only on servers with a valid
/// certificate of it. The grid manager's own files hold its private key: keep them safe.
#[derive(Parser)]
#[command(
    name = "grid-manager",
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    /// The grid manager's directory; '-' reads its config.json from standard input and writes what
    /// changes to standard output
    #[arg(short, long, value_name = "DIR")]
    config: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new grid manager
    Create,
    /// Print the public key, which clients put in their tahoe.cfg
    PublicIdentity,
    /// Add a storage server under a name of your choice
    Add {
        /// What to call it here
        name: String,
        /// What its node.pubkey file holds, pub-v0-…
        public_key: String,
    },
    /// Remove a storage server and its certificates
    Remove {
        /// What it is called here
        name: String,
    },
    /// List all storage servers and their certificates
    List,
    /// Sign a certificate and print it; it is also kept as NAME.cert.NUMBER
    Sign {
        /// What the server is called here
        name: String,
        /// How many days it shall be valid
        #[arg(value_parser = clap::value_parser!(u64).range(1..=MAX_DAYS))]
        expiry_days: u64,
    },
}

/// Why a command failed, in one sentence.
type Problem = String;

fn main() -> ExitCode {
    let output = Output { quiet: false };
    let status = match Cli::try_parse().map(|cli| run(&cli)) {
        Ok(Ok(printed)) => {
            output.bytes(printed.as_bytes());
            0
        }
        Ok(Err(problem)) => {
            output.note(&format!("Error: {problem}"));
            1
        }
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            output.line(help.render().to_string().trim_end());
            0
        }
    };
    output.exit_code(status)
}

/// Runs a command; returns what it prints.
fn run(cli: &Cli) -> Result<String, Problem> {
    let place = Place::new(&cli.config);
    if let Command::Create = cli.command {
        let key = tahoe_node::random_signing_key().map_err(|error| error.to_string())?;
        return place.create(&GridManager::new(key));
    }
    let mut records = place.load()?;
    let manager = &mut records.manager;
    match &cli.command {
        Command::Create => Ok(String::new()),
        Command::PublicIdentity => Ok(format!("{}\n", manager.public_key())),
        Command::List => Ok(list(&records, SystemTime::now())),
        Command::Add { name, public_key } => {
            let key = VerifyingKey::from_text(public_key)
                .map_err(|error| format!("'{public_key}' is not a public key: {error}"))?;
            manager.add(name, key).map_err(|error| error.to_string())?;
            records.save()
        }
        Command::Remove { name } => {
            manager.remove(name).map_err(|error| error.to_string())?;
            records.remove_certificates(name)?;
            records.save()
        }
        Command::Sign { name, expiry_days } => {
            let valid_for = Duration::from_secs(expiry_days.saturating_mul(SECONDS_PER_DAY));
            let expires = OffsetDateTime::now_utc() + valid_for;
            let certificate = manager.sign(name, microseconds(expires));
            let text = certificate.map_err(|error| error.to_string())?.to_text();
            records.keep_certificate(name, &text)?;
            Ok(text + "\n")
        }
    }
}

/// A moment as exactly as certificates say it.
fn microseconds(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_microsecond(time.microsecond())
        .expect("it has so many already")
}

fn list(records: &Records, now: SystemTime) -> String {
    let mut servers: Vec<_> = records.manager.servers().iter().collect();
    servers.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut lines = String::new();
    for (name, key) in servers {
        lines += &format!("{name}: {key}\n");
        let indent = " ".repeat(name.chars().count());
        for (number, stored) in records.certificates(name).enumerate() {
            let state = describe(&stored, now.into());
            lines += &format!("{indent}  cert {number}: {state}\n");
        }
    }
    lines
}

fn describe(stored: &Stored, now: OffsetDateTime) -> String {
    let certificate = match stored {
        Ok(certificate) => certificate,
        Err(CertificateError::BadSignature) => return "not signed by this grid manager".to_owned(),
        Err(error) => return error.to_string(),
    };
    let expires = certificate.expires_text();
    let left = certificate.expires - now;
    let length = abbreviated(left.unsigned_abs());
    if left.is_positive() {
        format!("valid until {expires} ({length} in the future)")
    } else {
        format!("expired {expires} ({length} ago)")
    }
}

/// A time in the largest unit that fits it well, as the reference has it.
fn abbreviated(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const MONTH: u64 = 30 * DAY;
    const YEAR: u64 = 365 * DAY;
    let seconds = time.as_secs();
    let (length, unit) = match seconds {
        ..120 => (1, "second"),
        120..10_800 => (MINUTE, "minute"),
        _ if seconds < 2 * DAY => (HOUR, "hour"),
        _ if seconds < 2 * MONTH => (DAY, "day"),
        _ if seconds < 4 * YEAR => (MONTH, "month"),
        _ => (YEAR, "year"),
    };
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_abbreviated_as_the_reference_does() {
        let day = SECONDS_PER_DAY;
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (10_799, "179 minutes"),
            (10_800, "3 hours"),
            (2 * day - 1, "47 hours"),
            (2 * day, "2 days"),
            (60 * day, "2 months"),
            (1000 * day, "33 months"),
            (1460 * day, "4 years"),
        ] {
            assert_eq!(abbreviated(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
