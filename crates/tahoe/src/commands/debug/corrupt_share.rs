//! `tahoe debug corrupt-share`: damage a share, to see that it is noticed.

use super::dump_share::DumpError;
use super::share_directories::read_part;
use crate::error::{CommandError, Result, chain};
use crate::quote::{quoted, quoted_path};
use crate::{Context, paths};
use clap::Args;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tahoe_share::describe::{DescribeError, ImmutableDescription};
use tahoe_share::mutable::MutableHeader;
use tahoe_storage_server::containers::Container;

/// Flip a bit of a share file's blocks
///
/// To see that downloads and checks notice it. Prints the range of the blocks in the file, and the
/// byte and the bit that were flipped. Never use it on shares that matter.
///
///   tahoe debug corrupt-share server/storage/shares/4v/4vozh77tsrw7mdhnj7qvp5ky74/0
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CorruptShare {
    /// Which bit to flip: block-random is any of the blocks
    #[arg(short, long, value_name = "WHERE", default_value = "block-random")]
    offset: String,
    /// The share file
    #[arg(value_name = "FILE")]
    file: String,
}

impl CorruptShare {
    pub(super) fn run(self, context: &Context) -> Result {
        if self.offset != "block-random" {
            let offset = quoted(&self.offset);
            return Err(CommandError::failed(format!(
                "--offset={offset} isn't known: only block-random is"
            )));
        }
        let path = paths::argument(&self.file)?;
        let line = flip_random_bit(&path).map_err(|error| {
            CommandError::failed(format!("{}: {}", quoted_path(&path), chain(&error)))
        })?;
        context.output.line(&line);
        Ok(())
    }
}

fn flip_random_bit(path: &Path) -> std::result::Result<String, DumpError> {
    let file = File::options().read(true).write(true).open(path)?;
    let blocks = blocks(&file)?;
    if blocks.is_empty() {
        return Err(std::io::Error::other("the share has no blocks to damage").into());
    }
    let offset = rand::random_range(blocks.clone());
    let bit = rand::random_range(0..8u8);
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    file.write_all_at(&byte.map(|byte| byte ^ (1 << bit)), offset)?;
    let Range { start, end } = blocks;
    Ok(format!("[{start}..{end}):  {offset}.b{bit}"))
}

/// Where in the file the blocks are.
fn blocks(file: &File) -> std::result::Result<Range<u64>, DumpError> {
    let (data, blocks) = match Container::read(file)? {
        Container::Immutable(container) => {
            let data = container.data();
            let layout = ImmutableDescription::read(&mut |range| read_part(file, &data, range))?;
            let layout = layout.layout;
            (data, layout.data..layout.plaintext_hash_tree)
        }
        Container::Mutable(container) => {
            let data = container.data();
            let start = read_part(file, &data, 0..MutableHeader::MAX_LENGTH)?;
            let blocks = match MutableHeader::parse(&start).map_err(DescribeError::from)? {
                MutableHeader::Sdmf(header) => header.share_data_range(),
                MutableHeader::Mdmf(header) => header.share_data_range(),
            };
            (data, blocks.map_err(DescribeError::from)?)
        }
    };
    let at = |offset: u64| data.start.saturating_add(offset).min(data.end);
    Ok(at(blocks.start)..at(blocks.end))
}
