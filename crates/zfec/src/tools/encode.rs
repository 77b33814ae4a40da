//! `zfec`: encodes a file into share files.
//!
//! The file is cut into segments of k blocks; block i of each segment goes to share file i. All
//! blocks have 4096 bytes except those of the last segment, which are as short as its data allows.
//! The input is read once and may be a pipe: only its end tells how much padding there is, so the
//! headers are written last.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser};

use super::{BLOCK_BYTES, ToolError};
use crate::encoder::Encoder;
use crate::params::Params;
use crate::share_header::ShareHeader;

/// Encode a file into a set of share files, any k of which give the file back.
#[derive(Parser, Debug)]
#[command(name = "zfec", infer_long_args = true, disable_version_flag = true)]
pub(super) struct Options {
    /// file to encode or "-" for stdin
    #[arg(value_name = "INF")]
    input: PathBuf,
    /// directory in which the share files are created
    #[arg(short = 'd', long, value_name = "D", default_value = ".")]
    output_dir: PathBuf,
    /// prefix of the share file names; the name of the input file if not given
    #[arg(short, long, value_name = "P")]
    prefix: Option<OsString>,
    /// suffix of the share file names
    #[arg(short, long, value_name = "S", default_value = ".fec")]
    suffix: OsString,
    /// the number of share files created
    #[arg(
        short = 'm',
        long = "totalshares",
        value_name = "M",
        default_value = "8"
    )]
    #[arg(allow_negative_numbers = true)]
    total: i64,
    /// the number of share files that suffice to get the file back
    #[arg(
        short = 'k',
        long = "requiredshares",
        value_name = "K",
        default_value = "3"
    )]
    #[arg(allow_negative_numbers = true)]
    needed: i64,
    /// overwrite share files that exist
    #[arg(short, long)]
    force: bool,
    /// print messages about progress
    #[arg(short, long)]
    verbose: bool,
    /// don't print warnings about silly choices of k and m
    #[arg(short, long)]
    quiet: bool,
    /// print the version and exit
    #[arg(short = 'V', long, action = ArgAction::SetTrue)]
    version: bool,
}

/// Does what the options say.
pub(super) fn run(options: &Options) -> Result<(), ToolError> {
    let mut input = Input::open(&options.input)?;
    if options.verbose && options.quiet {
        return Err(ToolError::VerboseAndQuiet);
    }
    let clamp = |number: i64| u16::try_from(number.clamp(0, 1000)).unwrap_or_default();
    let params = Params::new(clamp(options.needed), clamp(options.total))?;
    if !options.quiet {
        warn(params)?;
    }
    let mut shares = Shares::create(options, params)?;
    let result = encode(&mut input, params, &mut shares, options.verbose);
    if result.is_err() {
        shares.remove();
    }
    result
}

/// Warns about codes that make no use of erasure coding.
fn warn(params: Params) -> Result<(), ToolError> {
    let mut out = io::stdout();
    if params.needed() == 1 {
        let warning = "warning: silly parameters: k is 1, so every share is a copy of the file";
        writeln!(out, "{warning}").map_err(ToolError::Messages)?;
    }
    if params.needed() == params.total() {
        let warning = "warning: silly parameters: k equals m, so no share may be lost";
        writeln!(out, "{warning}").map_err(ToolError::Messages)?;
    }
    Ok(())
}

/// The file to encode.
struct Input {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// The length in bytes if it is known beforehand; used for nothing but progress messages.
    length: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> Result<Self, ToolError> {
        if path == "-" {
            let reader = Box::new(io::stdin().lock());
            return Ok(Self {
                path: "<stdin>".into(),
                reader,
                length: None,
            });
        }
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            match metadata.is_dir() {
                true => Err(io::ErrorKind::IsADirectory.into()),
                false => Ok((file, metadata)),
            }
        };
        let (file, metadata) = open().map_err(|source| ToolError::OpenInput {
            path: path.into(),
            source,
        })?;
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self {
            path: path.into(),
            reader: Box::new(file),
            length,
        })
    }

    /// Reads until the buffer is full or the input ends.
    fn read(&mut self, segment: &mut Vec<u8>, length: usize) -> Result<(), ToolError> {
        segment.clear();
        let mut part = self.reader.by_ref().take(length as u64);
        match part.read_to_end(segment) {
            Ok(_) => Ok(()),
            Err(source) => Err(ToolError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// The share files being written, by share number.
struct Shares {
    params: Params,
    files: Vec<(PathBuf, BufWriter<File>)>,
}

impl Shares {
    /// Creates all share files or none.
    fn create(options: &Options, params: Params) -> Result<Self, ToolError> {
        let mut shares = Self {
            params,
            files: Vec::new(),
        };
        let result = (0..params.total()).try_for_each(|number| shares.add(options, number));
        if result.is_err() {
            shares.remove();
        }
        result.map(|()| shares)
    }

    fn add(&mut self, options: &Options, number: u16) -> Result<(), ToolError> {
        let path = options
            .output_dir
            .join(share_name(options, self.params, number));
        if options.verbose {
            writeln!(io::stdout(), "Creating share file '{}'...", path.display())
                .map_err(ToolError::Messages)?;
        }
        let mut open = OpenOptions::new();
        open.write(true);
        match options.force {
            true => open.create(true).truncate(true),
            false => open.create_new(true),
        };
        let file = open.open(&path).map_err(|source| ToolError::Write {
            path: path.clone(),
            source,
        })?;
        self.files
            .push((path, BufWriter::with_capacity(16 * BLOCK_BYTES, file)));
        self.write_header(number.into(), 0)
    }

    /// Writes the header of one share at the place where its file stands.
    fn write_header(&mut self, index: usize, padding: u8) -> Result<(), ToolError> {
        let number = u8::try_from(index).expect("block numbers are below 256");
        let header = ShareHeader::new(self.params, padding, number);
        self.write(
            index,
            &header
                .expect("fewer bytes of padding than blocks")
                .to_bytes(),
        )
    }

    fn write(&mut self, index: usize, bytes: &[u8]) -> Result<(), ToolError> {
        self.with_file(index, |file| file.write_all(bytes))
    }

    /// Puts the true padding into all headers and completes the files.
    fn finish(&mut self, padding: u8) -> Result<(), ToolError> {
        for index in 0..self.files.len() {
            if padding > 0 {
                self.with_file(index, |file| file.seek(SeekFrom::Start(0)).map(drop))?;
                self.write_header(index, padding)?;
            }
            self.with_file(index, io::Write::flush)?;
        }
        Ok(())
    }

    fn with_file(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), ToolError> {
        let (path, file) = &mut self.files[index];
        act(file).map_err(|source| ToolError::Write {
            path: path.clone(),
            source,
        })
    }

    /// Removes all share files that were created.
    fn remove(&mut self) {
        for (path, _) in self.files.drain(..) {
            // The error that led here is the one to report.
            drop(fs::remove_file(path));
        }
    }
}

/// Returns the name of a share file, as in `data.07_12.fec`.
fn share_name(options: &Options, params: Params, number: u16) -> OsString {
    let default_prefix = match options.input.as_os_str() {
        input if input == "-" => OsStr::new(""),
        input => input,
    };
    let mut name = options
        .prefix
        .as_deref()
        .unwrap_or(default_prefix)
        .to_os_string();
    let total = params.total();
    let digits = total.to_string().len();
    name.push(format!(".{number:0digits$}_{total}"));
    name.push(&options.suffix);
    name
}

/// Encodes the whole input segment by segment.
fn encode(
    input: &mut Input,
    params: Params,
    shares: &mut Shares,
    verbose: bool,
) -> Result<(), ToolError> {
    let encoder = Encoder::with_params(params);
    let needed = usize::from(params.needed());
    let segment_bytes = needed * BLOCK_BYTES;
    let mut segment = Vec::with_capacity(segment_bytes);
    let mut check = vec![0; (usize::from(params.total()) - needed) * BLOCK_BYTES];
    let mut progress = Progress {
        length: input.length.filter(|_| verbose),
        done: 0,
    };
    let mut padding = 0;
    loop {
        input.read(&mut segment, segment_bytes)?;
        if segment.is_empty() {
            break;
        }
        progress.advance(segment.len())?;
        let is_last = segment.len() < segment_bytes;
        let block_bytes = params.block_length(segment.len());
        padding = needed * block_bytes - segment.len();
        segment.resize(needed * block_bytes, 0);
        write_segment(&encoder, &segment, block_bytes, &mut check, shares)?;
        if is_last {
            break;
        }
    }
    shares.finish(u8::try_from(padding).expect("less padding than blocks"))?;
    if verbose {
        writeln!(io::stdout(), "\nDone!").map_err(ToolError::Messages)?;
    }
    Ok(())
}

/// Encodes one padded segment and appends each of its blocks to the block's share file.
fn write_segment(
    encoder: &Encoder,
    segment: &[u8],
    block_bytes: usize,
    check: &mut [u8],
    shares: &mut Shares,
) -> Result<(), ToolError> {
    let primary: Vec<&[u8]> = segment.chunks_exact(block_bytes).collect();
    let wanted: Vec<u8> = (0..=u8::MAX)
        .filter(|&n| encoder.params().has(n) && !encoder.params().is_primary(n))
        .collect();
    let check = &mut check[..wanted.len() * block_bytes];
    let mut outputs: Vec<&mut [u8]> = check.chunks_exact_mut(block_bytes).collect();
    encoder.encode(&primary, &wanted, &mut outputs)?;
    let blocks = primary.into_iter().chain(check.chunks_exact(block_bytes));
    blocks
        .enumerate()
        .try_for_each(|(index, block)| shares.write(index, block))
}

/// Tells each tenth of the work.
struct Progress {
    /// The length of the input in bytes, if messages are wanted and it is known.
    length: Option<u64>,
    done: u64,
}

impl Progress {
    fn advance(&mut self, bytes: usize) -> Result<(), ToolError> {
        let Some(length) = self.length.filter(|&length| length > 0) else {
            return Ok(());
        };
        let tenths = |done: u64| done.saturating_mul(10) / length;
        let before = tenths(self.done);
        self.done += bytes as u64;
        let now = tenths(self.done);
        if now == before {
            return Ok(());
        }
        let mut out = io::stdout();
        let written = write!(out, "{}% ... ", now * 10);
        written
            .and_then(|()| out.flush())
            .map_err(ToolError::Messages)
    }
}
