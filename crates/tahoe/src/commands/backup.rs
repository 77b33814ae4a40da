//! `tahoe backup`: keep a local directory's versions on the grid.
//!
//! Directories of a backup are immutable, so that equal ones are shared between versions. The backup
//! database remembers what was stored where, so that only what changed is read at all; both programs
//! use the same one.

mod database;
mod directory_hash;
mod exclude;
mod metadata;
mod plan;
mod progress_report;
mod transfer;
mod walk;

use crate::Context;
use crate::aliases::{Location, url_quoted};
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on};
use crate::paths;
use clap::Args;
use database::Database;
use exclude::Exclusions;
use hyper::StatusCode;
use progress_report::Report;
use std::path::PathBuf;
use time::OffsetDateTime;
use time::macros::format_description;

/// Back a local directory up into a new version on the grid
///
/// The version appears as TO/Archives/DATE and as TO/Latest. What hasn't changed since an earlier
/// backup isn't sent again; what was stored more than a month ago is checked now and then. Symbolic
/// links and special files are skipped with a warning; the exit status is 2 then.
///
///   tahoe backup ~ tahoe:backups --exclude '*.tmp' --exclude-vcs
///   tahoe ls tahoe:backups/Archives
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Backup {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Say what happens to each file
    #[arg(short, long)]
    verbose: bool,
    /// Send every file, whatever its times say
    #[arg(long)]
    ignore_timestamps: bool,
    /// Leave out what has a name like this; may be given several times
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Leave out what has a name like one of the lines of this file, which is UTF-8
    #[arg(long, value_name = "FILE")]
    exclude_from_utf_8: Vec<String>,
    /// Leave out what version control systems keep: .git, .svn, .hg and others
    #[arg(long)]
    exclude_vcs: bool,
    /// The local directory
    #[arg(value_name = "FROM")]
    from: String,
    /// The directory on the grid that holds the versions
    #[arg(value_name = "TO")]
    to: String,
}

impl Backup {
    pub(crate) fn run(self, context: &Context) -> Result {
        let from = paths::argument(&self.from)?;
        let exclusions = self.exclusions()?;
        let store = self.store.open(context)?;
        let mut database = Database::open(&store.node_directory)?;
        let to = store.aliases.locate(&self.to)?;
        let session = Session {
            store: &store,
            from,
            exclusions,
            use_timestamps: !self.ignore_timestamps,
            verbose: self.verbose && !context.output.quiet,
        };
        let report = block_on(session.run(&to, &mut database))?;
        match report.has_skipped() {
            true => Err(CommandError::explained().exit_with(2)),
            false => Ok(()),
        }
    }

    fn exclusions(&self) -> Result<Exclusions> {
        let mut exclusions = Exclusions::default();
        for pattern in &self.exclude {
            exclusions.add(pattern);
        }
        for file in &self.exclude_from_utf_8 {
            exclusions.add_lines_of(&paths::argument(file)?)?;
        }
        if self.exclude_vcs {
            exclusions.add_version_control();
        }
        Ok(exclusions)
    }
}

/// One run.
struct Session<'a> {
    store: &'a FileStore,
    from: PathBuf,
    exclusions: Exclusions,
    use_timestamps: bool,
    verbose: bool,
}

impl Session<'_> {
    async fn run(&self, to: &Location, database: &mut Database) -> Result<Report> {
        let to_url = to.url_path();
        let to_url = to_url.trim_end_matches('/');
        let archives_url = format!("{to_url}/Archives");
        self.make_archives(&archives_url).await?;
        let walk = walk::Walk::of(&self.from, &self.exclusions)?;
        let report = Report::new(&walk, self.store.output);
        let done = plan::carry_out(self, walk, database, &report).await;
        // What was stored is remembered also if something failed afterwards.
        let remembered = database.flush();
        report.hide_bar();
        let root = done?;
        remembered?;
        let name = version_name(OffsetDateTime::now_utc());
        futures_util::future::try_join(
            self.link(&archives_url, &name, &root),
            self.link(to_url, "Latest", &root),
        )
        .await?;
        report.print_totals(self.verbose);
        Ok(report)
    }

    async fn make_archives(&self, url: &str) -> Result {
        let what = "Unable to create target directory";
        let response = self
            .store
            .send(Call::get(format!("{url}?t=json")), what)
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            let call = Call::post(format!("{url}?t=mkdir"));
            self.store.ask(call, what).await?;
        }
        Ok(())
    }

    async fn link(&self, directory: &str, name: &str, cap: &str) -> Result {
        let url = format!("{directory}/{}?t=uri", url_quoted(name));
        let call = Call::put(url).with(cap.to_owned());
        self.store.ask(call, "Error during put_child").await?;
        Ok(())
    }

    /// Says what happens to a file or directory, if that is wanted.
    fn say(&self, report: &Report, text: impl FnOnce() -> String) {
        if self.verbose {
            report.line(&text());
        }
    }
}

/// The time to the second: `2024-05-06_07:08:09Z`.
fn version_name(now: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]_[hour]:[minute]:[second]Z");
    now.format(format)
        .expect("a date of our times has all of these")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions() {
        let time = OffsetDateTime::from_unix_timestamp(1_700_000_005).unwrap();
        assert_eq!(version_name(time), "2023-11-14_22:13:25Z");
    }
}
