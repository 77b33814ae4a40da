//! ISA-L, loaded at run time: `libisal.so.2`, and each library that `ZFEC_ISAL` names.

#![expect(unsafe_code, reason = "a foreign library is called")]

use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::time::{Duration, Instant};

use crate::contestants::{Contestant, Task, digest};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;

type InitTables = unsafe extern "C" fn(c_int, c_int, *mut c_uchar, *mut c_uchar);
type EncodeData =
    unsafe extern "C" fn(c_int, c_int, c_int, *mut c_uchar, *mut *mut c_uchar, *mut *mut c_uchar);

/// One version of ISA-L.
pub(crate) struct Isal {
    name: String,
    init_tables: InitTables,
    encode_data: EncodeData,
    tables: Vec<u8>,
    given: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

/// Loads the system's library and those in `ZFEC_ISAL`, a list of paths parted by colons.
pub(crate) fn load_all() -> Result<Vec<Isal>, Box<dyn Error>> {
    let more = std::env::var("ZFEC_ISAL").unwrap_or_default();
    let more = more.split(':').filter(|path| !path.is_empty());
    std::iter::once("libisal.so.2")
        .chain(more)
        .map(load)
        .collect()
}

fn load(path: &str) -> Result<Isal, Box<dyn Error>> {
    let before = mapped_libraries()?;
    let c_path = CString::new(path)?;
    // SAFETY: a null-terminated path; ISA-L's initialisers do nothing beyond the library.
    let library = unsafe { dlopen(c_path.as_ptr(), RTLD_NOW) };
    if library.is_null() {
        return Err(format!("{path} cannot be loaded: install libisal2").into());
    }
    let name = mapped_libraries()?
        .into_iter()
        .find(|library| !before.contains(library));
    let symbol = |name: &CStr| {
        // SAFETY: an open library and a null-terminated name.
        let address = unsafe { dlsym(library, name.as_ptr()) };
        if address.is_null() {
            Err(format!("{path} lacks {name:?}"))
        } else {
            Ok(address)
        }
    };
    let init_tables = symbol(c"ec_init_tables")?;
    let encode_data = symbol(c"ec_encode_data")?;
    Ok(Isal {
        name: name.unwrap_or_else(|| path.to_owned()),
        // SAFETY: these are the signatures in ISA-L's erasure_code.h, in all versions.
        init_tables: unsafe { std::mem::transmute::<*mut c_void, InitTables>(init_tables) },
        // SAFETY: as above.
        encode_data: unsafe { std::mem::transmute::<*mut c_void, EncodeData>(encode_data) },
        tables: Vec::new(),
        given: Vec::new(),
        outputs: Vec::new(),
    })
}

/// Returns the file names of all ISA-L libraries in this process: they tell the version.
fn mapped_libraries() -> Result<Vec<String>, Box<dyn Error>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let names = maps.lines().filter_map(|line| line.rsplit('/').next());
    Ok(names
        .filter(|name| name.starts_with("libisal"))
        .map(str::to_owned)
        .collect())
}

impl Contestant for Isal {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, task: &Task) -> Result<String, Box<dyn Error>> {
        let mut matrix = task.matrix()?;
        self.given = task
            .given_blocks()
            .into_iter()
            .map(<[u8]>::to_vec)
            .collect();
        self.outputs = vec![vec![0; task.block_length]; task.wanted.len()];
        self.tables = vec![0; 32 * matrix.len()];
        let (columns, rows) = (
            c_int::try_from(self.given.len())?,
            c_int::try_from(self.outputs.len())?,
        );
        // SAFETY: the matrix has rows × columns bytes and the tables 32 for each of them.
        unsafe {
            (self.init_tables)(columns, rows, matrix.as_mut_ptr(), self.tables.as_mut_ptr());
        }
        self.run(1)?;
        Ok(digest(&self.outputs))
    }

    fn run(&mut self, count: u32) -> Result<Duration, Box<dyn Error>> {
        let length = c_int::try_from(self.given.first().map_or(0, Vec::len))?;
        let (columns, rows) = (
            c_int::try_from(self.given.len())?,
            c_int::try_from(self.outputs.len())?,
        );
        let mut inputs: Vec<_> = self
            .given
            .iter_mut()
            .map(|block| block.as_mut_ptr())
            .collect();
        let mut outputs: Vec<_> = self
            .outputs
            .iter_mut()
            .map(|block| block.as_mut_ptr())
            .collect();
        let start = Instant::now();
        for _ in 0..count {
            // SAFETY: the tables are for these numbers of inputs and outputs, all of this length.
            unsafe {
                (self.encode_data)(
                    length,
                    columns,
                    rows,
                    self.tables.as_mut_ptr(),
                    inputs.as_mut_ptr(),
                    outputs.as_mut_ptr(),
                );
            }
        }
        Ok(start.elapsed())
    }
}
