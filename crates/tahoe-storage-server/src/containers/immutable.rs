//! The container of a share that is written once.
//!
//! ```text
//! big-endian
//!  0x00   4  version      u32, 1 or 2
//!  0x04   4  size         u32, min(data length, 2^32 - 1); for ancient readers, ignored here
//!  0x08   4  lease count  u32
//!  0x0c   n  data         n = file size - 12 - 72 * lease count
//!  0x0c+n 72 each         leases: owner u32, renew 32, cancel 32, expires u32
//! ```

use super::leases::{Lease, NewLease, NoRoomForLease, StoredSecret};
use super::{ContainerError, ContainerVersion, Edit, MAX_LEASES, Source};
use std::ops::Range;
use tahoe_encoding::{Reader, UnexpectedEnd};

/// Where the data begins.
pub const IMMUTABLE_DATA_OFFSET: u64 = 12;
/// Size of a lease record.
pub const IMMUTABLE_LEASE_SIZE: u64 = 72;
const LEASE_COUNT_OFFSET: u64 = 8;
/// Where in its record a lease has its end.
const EXPIRES_OFFSET: u64 = 68;

/// The header of an immutable container, checked against the size of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImmutableContainer {
    version: ContainerVersion,
    lease_count: u32,
    data: Range<u64>,
}

impl ImmutableContainer {
    /// Reads the header and checks that data and leases fit the source.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, ContainerError> {
        let length = source.length()?;
        if length < IMMUTABLE_DATA_OFFSET {
            return Err(ContainerError::NoHeader { length });
        }
        let header = source.read_at(0, 12)?;
        let no_header = |UnexpectedEnd { .. }| ContainerError::NoHeader { length };
        let mut reader = Reader::new(&header);
        let version = match reader.u32().map_err(no_header)? {
            1 => ContainerVersion::V1,
            2 => ContainerVersion::V2,
            _ => return Err(ContainerError::UnknownVersion),
        };
        reader.u32().map_err(no_header)?;
        let count = reader.u32().map_err(no_header)?;
        let leases_start = u64::from(count)
            .checked_mul(IMMUTABLE_LEASE_SIZE)
            .and_then(|size| length.checked_sub(size))
            .filter(|start| *start >= IMMUTABLE_DATA_OFFSET && count <= MAX_LEASES)
            .ok_or(ContainerError::BadLeaseCount { count })?;
        Ok(Self {
            version,
            lease_count: count,
            data: IMMUTABLE_DATA_OFFSET..leases_start,
        })
    }

    /// Version of the container.
    pub fn version(&self) -> ContainerVersion {
        self.version
    }

    /// Where in the file the share's data is.
    pub fn data(&self) -> Range<u64> {
        self.data.clone()
    }

    /// How many leases the container holds.
    pub fn lease_count(&self) -> u32 {
        self.lease_count
    }

    /// Reads the leases, oldest first.
    pub fn leases<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<Lease>, ContainerError> {
        let count = usize::try_from(self.lease_count).unwrap_or(usize::MAX);
        let size = count.saturating_mul(72);
        let records = source.read_at(self.data.end, size)?;
        let mut reader = Reader::new(&records);
        let leases = (0..count).map(|_| read_lease(self.version, &mut reader));
        let bad_count = |UnexpectedEnd { .. }| ContainerError::BadLeaseCount {
            count: self.lease_count,
        };
        leases.collect::<Result<_, _>>().map_err(bad_count)
    }

    /// Lists the edits that renew the lease with the same renew secret, or else append it.
    ///
    /// `space` is how many bytes the server has left; renewing needs none.
    pub(crate) fn add_or_renew_lease(
        &self,
        leases: &[Lease],
        lease: &NewLease,
        space: u64,
    ) -> Result<Vec<Edit>, NoRoomForLease> {
        let place = |index: u64| {
            let offset = index.saturating_mul(IMMUTABLE_LEASE_SIZE);
            self.data.end.saturating_add(offset)
        };
        for (index, old) in (0..).zip(leases) {
            if !old.renew.matches(lease.secrets.renew.as_bytes()) {
                continue;
            }
            if lease.expires <= old.expires {
                return Ok(Vec::new());
            }
            let offset = place(index).saturating_add(EXPIRES_OFFSET);
            return Ok(vec![Edit::write(
                offset,
                lease.expires.to_be_bytes().to_vec(),
            )]);
        }
        if space < IMMUTABLE_LEASE_SIZE || self.lease_count >= MAX_LEASES {
            return Err(NoRoomForLease);
        }
        let record = write_lease(&lease.stored(self.version));
        let count = self.lease_count.saturating_add(1);
        Ok(vec![
            Edit::write(place(u64::from(self.lease_count)), record),
            Edit::write(LEASE_COUNT_OFFSET, count.to_be_bytes().to_vec()),
        ])
    }
}

impl ImmutableContainer {
    /// Lists the edits that leave only these leases, one after the other.
    pub(crate) fn keep_leases(&self, leases: &[Lease]) -> Vec<Edit> {
        let records: Vec<u8> = leases.iter().flat_map(write_lease).collect();
        let count = u32::try_from(leases.len()).unwrap_or(u32::MAX);
        let size = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let length = self.data.end.saturating_add(size);
        vec![
            Edit::write(self.data.end, records),
            Edit::write(LEASE_COUNT_OFFSET, count.to_be_bytes().to_vec()),
            Edit::Truncate { length },
        ]
    }
}

/// The header of a new container with one lease, for a share of `size` bytes.
pub(crate) fn new_immutable_header(size: u64) -> [u8; 12] {
    let saturated = u32::try_from(size).unwrap_or(u32::MAX);
    let mut header = [0; 12];
    let fields = [2, saturated, 1].map(u32::to_be_bytes);
    header.copy_from_slice(fields.as_flattened());
    header
}

/// The lease record at the end of a new container.
pub(crate) fn new_immutable_lease(lease: &NewLease) -> Vec<u8> {
    write_lease(&lease.stored(ContainerVersion::V2))
}

fn read_lease(version: ContainerVersion, reader: &mut Reader<'_>) -> Result<Lease, UnexpectedEnd> {
    Ok(Lease {
        owner: reader.u32()?,
        renew: StoredSecret::new(version, reader.array()?),
        cancel: StoredSecret::new(version, reader.array()?),
        expires: reader.u32()?,
        node: None,
    })
}

fn write_lease(lease: &Lease) -> Vec<u8> {
    [
        &lease.owner.to_be_bytes()[..],
        lease.renew.as_bytes(),
        lease.cancel.as_bytes(),
        &lease.expires.to_be_bytes(),
    ]
    .concat()
}
