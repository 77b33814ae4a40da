//! `tahoe cp`: copy files and directories between this machine and the grid.
//!
//! First the target is looked at, then the sources, then the sources' trees are read and laid on top
//! of each other. Nothing is made before all of that has succeeded.

mod grid_target;
mod local_target;
mod source;
mod target;
mod transfer;
mod tree;

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::{FileStore, FileStoreOptions, block_on};
use crate::quote::quoted;
use clap::Args;
use source::Source;
use target::Target;
use transfer::Copying;
use tree::Tree;

/// Copy files and directories, to the grid, from it or within it
///
/// What begins with an alias or a capability is on the grid, everything else is local. A directory
/// with a name is copied as a whole, a mere capability or alias stands for its contents. Directories
/// that are missing on the way are made. An existing mutable file gets the new contents; within the
/// grid, immutable files are linked, which costs nothing.
///
///   tahoe cp notes.txt tahoe:             makes tahoe:notes.txt
///   tahoe cp -r ~/photos tahoe:backups    makes tahoe:backups/photos
///   tahoe cp -r tahoe:backups/photos .    makes ./photos
///   tahoe cp -r URI:DIR2-RO:... copy      puts the directory's contents into copy
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Cp {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Copy directories with everything in them
    #[arg(short, long)]
    recursive: bool,
    /// Say on standard error how far it is
    #[arg(short, long)]
    verbose: bool,
    /// Write capabilities into the local files instead of contents
    #[arg(long)]
    caps_only: bool,
    /// What to copy, and last the place to copy it to
    #[arg(value_name = "FROM... TO")]
    arguments: Vec<String>,
}

/// How a copy is to be made.
#[derive(Debug, Clone, Copy)]
struct Options {
    verbose: bool,
    caps_only: bool,
}

impl Cp {
    pub(crate) fn run(self, context: &Context) -> Result {
        let [sources @ .., destination] = self.arguments.as_slice() else {
            return Err(too_few_arguments());
        };
        if sources.is_empty() {
            return Err(too_few_arguments());
        }
        let store = self.store.open(context)?;
        let options = Options {
            verbose: self.verbose && !context.output.quiet,
            caps_only: self.caps_only,
        };
        let done = block_on(async {
            let target = Target::find(&store, destination).await?;
            let mut found = Vec::new();
            for source in sources {
                found.push(Source::find(&store, source).await?);
            }
            let sources = found.iter().zip(sources).collect::<Vec<_>>();
            match self.fits(&sources, &target, destination)? {
                Shape::File => {
                    let [source] = found.as_slice() else {
                        return Err(CommandError::failed("one file is copied at a time"));
                    };
                    copy_file(&store, source, target, options).await
                }
                Shape::Directory => copy_into_directory(&store, found, target, options).await,
            }
        })?;
        context.output.line(done);
        Ok(())
    }

    /// Says whether the target becomes a file or is a directory to copy into, if that can be.
    fn fits(
        &self,
        sources: &[(&Source, &String)],
        target: &Target,
        destination: &str,
    ) -> Result<Shape> {
        let has_directories = sources.iter().any(|(source, _)| source.is_directory());
        if has_directories && !self.recursive {
            return Err(CommandError::failed(
                "cannot copy directories without --recursive",
            ));
        }
        let becomes_file = match target {
            Target::File(_) => true,
            Target::Directory(_) => false,
            Target::Missing(_) => sources.len() == 1 && !has_directories,
        };
        if becomes_file && destination.ends_with('/') {
            let message = "target is not a directory, but ends with a slash";
            return Err(CommandError::failed(message));
        }
        if becomes_file && sources.len() > 1 {
            let message = "copying multiple things requires target be a directory";
            return Err(CommandError::failed(message));
        }
        if becomes_file && has_directories {
            return Err(CommandError::failed("cannot copy directory into a file"));
        }
        if becomes_file {
            return Ok(Shape::File);
        }
        match sources.iter().find(|(source, _)| source.is_unnamed_file()) {
            Some((_, text)) => Err(CommandError::failed(format!(
                "when copying into a directory, all source files must have names, but {} is unnamed",
                quoted(text)
            ))),
            None => Ok(Shape::Directory),
        }
    }
}

/// What the target will be.
enum Shape {
    File,
    Directory,
}

fn too_few_arguments() -> CommandError {
    CommandError::usage("cp requires at least two arguments")
}

async fn copy_file(
    store: &FileStore,
    source: &Source,
    target: Target,
    options: Options,
) -> Result<&'static str> {
    let (Source::File { content, .. }, Target::File(target) | Target::Missing(target)) =
        (source, target)
    else {
        return Err(CommandError::failed("cannot copy directory into a file"));
    };
    let copying = Copying::new(store, options, [content].into_iter());
    copying.file(content, &target).await?;
    copying.finish();
    Ok("Success: file copied")
}

async fn copy_into_directory(
    store: &FileStore,
    sources: Vec<Source>,
    target: Target,
    options: Options,
) -> Result<&'static str> {
    let mut tree = Tree::default();
    for source in sources {
        tree.add(store, source).await?;
    }
    let copying = Copying::new(store, options, tree.all_files().into_iter());
    copying.say(|| {
        let (files, directories) = (tree.files.len(), tree.directories.len());
        format!("attaching sources to targets, {files} files / {directories} dirs in root")
    });
    let directory = target.into_directory(store).await?;
    let jobs = directory.lay_out(store, tree).await?;
    copying.directories(jobs).await?;
    copying.finish();
    Ok("Success: files copied")
}
