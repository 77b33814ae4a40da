//! `zunfec`: decodes a file from share files.
//!
//! Block after block is read from the first k different share files in the order of their names,
//! so that primary shares, which need no computation, come first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser};

use super::{BLOCK_BYTES, ToolError};
use crate::decoder::Decoder;
use crate::params::Params;
use crate::share_header::ShareHeader;

/// Decode data from share files.
#[derive(Parser, Debug)]
#[command(name = "zunfec", infer_long_args = true, disable_version_flag = true)]
pub(super) struct Options {
    /// file to write the decoded data to, or "-" for stdout
    #[arg(short = 'o', long = "outputfile", value_name = "OUTF")]
    output: PathBuf,
    /// share files to read
    #[arg(value_name = "SHAREFILE")]
    shares: Vec<PathBuf>,
    /// print messages about progress
    #[arg(short, long)]
    verbose: bool,
    /// overwrite the output file if it exists
    #[arg(short, long)]
    force: bool,
    /// print the version and exit
    #[arg(short = 'V', long, action = ArgAction::SetTrue)]
    version: bool,
}

/// Does what the options say.
pub(super) fn run(options: &Options) -> Result<(), ToolError> {
    if options.shares.len() < 2 {
        return Err(ToolError::OneShareFile);
    }
    if options.output.as_os_str() == "-" {
        return Shares::open(&options.shares)?.decode_to(io::stdout().lock(), options);
    }
    if options.force {
        // An old output file is only given up once the shares look usable.
        let shares = Shares::open(&options.shares)?;
        let file = File::create(&options.output);
        let file = file.map_err(|source| create_error(&options.output, source))?;
        return shares.decode_to(file, options);
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&options.output);
    let file = file.map_err(|source| create_error(&options.output, source))?;
    let result = Shares::open(&options.shares).and_then(|shares| shares.decode_to(file, options));
    if result.is_err() {
        // The error that led here is the one to report.
        drop(fs::remove_file(&options.output));
    }
    result
}

fn create_error(path: &Path, source: io::Error) -> ToolError {
    let path = path.into();
    match source.kind() {
        io::ErrorKind::AlreadyExists => ToolError::OutputExists(path),
        _ => ToolError::CreateOutput { path, source },
    }
}

/// A share file after its header.
struct Share {
    path: PathBuf,
    number: u8,
    reader: BufReader<File>,
}

/// As many different shares of one file as are needed.
struct Shares {
    params: Params,
    padding: usize,
    shares: Vec<Share>,
}

impl Shares {
    /// Opens share files in the order of their names until there are enough.
    fn open(paths: &[PathBuf]) -> Result<Self, ToolError> {
        let mut paths: Vec<&PathBuf> = paths.iter().collect();
        paths.sort_unstable_by_key(|path| path.as_os_str());
        let mut first: Option<ShareHeader> = None;
        let mut shares: Vec<Share> = Vec::new();
        for path in paths {
            let (header, share) = Share::open(path)?;
            let first = *first.get_or_insert(header);
            if (first.params(), first.padding()) != (header.params(), header.padding()) {
                return Err(ToolError::OtherEncoding(path.clone()));
            }
            // A copy of a share that is there already is of no use.
            if shares.iter().all(|other| other.number != share.number) {
                shares.push(share);
            }
            if shares.len() == usize::from(first.params().needed()) {
                return Ok(Self {
                    params: first.params(),
                    padding: first.padding().into(),
                    shares,
                });
            }
        }
        let needed = first.map_or(0, |first| first.params().needed());
        Err(ToolError::TooFewShares {
            needed,
            found: shares.len(),
        })
    }

    /// Writes the decoded data; the padding at the end of the last segment is left out.
    fn decode_to(mut self, output: impl Write, options: &Options) -> Result<(), ToolError> {
        let mut output = BufWriter::new(output);
        let error = |source| ToolError::Write {
            path: options.output.clone(),
            source,
        };
        let decoder = Decoder::with_params(self.params);
        let mut progress = Progress {
            is_wanted: options.verbose,
            done: 0,
        };
        let mut segment = Vec::new();
        // A segment is written when it is known whether it is the last one.
        while let Some(next) = self.decode_segment(&decoder)? {
            output.write_all(&segment).map_err(error)?;
            progress.advance(segment.len())?;
            segment = next;
        }
        let length = segment
            .len()
            .checked_sub(self.padding)
            .ok_or(ToolError::NoData)?;
        output.write_all(&segment[..length]).map_err(error)?;
        output.flush().map_err(error)
    }

    /// Reads a block of each share and decodes them, unless the shares have ended.
    fn decode_segment(&mut self, decoder: &Decoder) -> Result<Option<Vec<u8>>, ToolError> {
        let mut blocks = Vec::with_capacity(self.shares.len());
        for share in &mut self.shares {
            blocks.push((share.number, share.read_block()?));
        }
        let length = blocks.first().map_or(0, |(_, block)| block.len());
        let odd_one = blocks.iter().position(|(_, block)| block.len() != length);
        if let Some(index) = odd_one {
            return Err(ToolError::OtherLength(self.shares[index].path.clone()));
        }
        if length == 0 {
            return Ok(None);
        }
        let blocks: Vec<(u8, &[u8])> = blocks.iter().map(|(n, block)| (*n, &block[..])).collect();
        Ok(Some(
            decoder.decode_segment(&blocks, length * blocks.len())?,
        ))
    }
}

impl Share {
    /// Opens a share file and reads its header.
    fn open(path: &Path) -> Result<(ShareHeader, Self), ToolError> {
        let read_error = |source| ToolError::Read {
            path: path.into(),
            source,
        };
        let mut reader =
            BufReader::with_capacity(16 * BLOCK_BYTES, File::open(path).map_err(read_error)?);
        let mut failure = None;
        let bytes = reader
            .by_ref()
            .bytes()
            .map_while(|byte| byte.map_err(|e| failure = Some(e)).ok());
        let header = ShareHeader::parse(bytes);
        if let Some(source) = failure {
            return Err(read_error(source));
        }
        let header = header.map_err(|source| ToolError::Header {
            path: path.into(),
            source,
        })?;
        Ok((
            header,
            Self {
                path: path.into(),
                number: header.number(),
                reader,
            },
        ))
    }

    /// Reads a block, a shorter one at the end of the file and then an empty one.
    fn read_block(&mut self) -> Result<Vec<u8>, ToolError> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        match self
            .reader
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)
        {
            Ok(_) => Ok(block),
            Err(source) => Err(ToolError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// Tells, on stderr because the data may go to stdout, each ten million bytes.
struct Progress {
    is_wanted: bool,
    done: u64,
}

impl Progress {
    fn advance(&mut self, bytes: usize) -> Result<(), ToolError> {
        const STEP_BYTES: u64 = 10_000_000;
        let before = self.done / STEP_BYTES;
        self.done += bytes as u64;
        if !self.is_wanted || self.done / STEP_BYTES == before {
            return Ok(());
        }
        let megabytes = self.done / 1_000_000;
        write!(io::stderr(), "{megabytes} MB ... ").map_err(ToolError::Messages)
    }
}
