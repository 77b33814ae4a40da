//! The container of a slot's share.
//!
//! ```text
//! big-endian
//!  0x000  32  magic         names the version
//!  0x020  20  node          tub id of the server that recorded the write enabler
//!  0x034  32  write enabler
//!  0x054   8  data length   u64
//!  0x05c   8  extra offset  u64, where the extra leases begin
//!  0x064  92  each, 4       leases; owner 0 means a free place
//!  0x1d4   n  data          n = data length; then what is left of a longer share, to extra offset
//!  extra   4  extra count   u32
//!         92  each          extra leases
//! ```
//!
//! A lease is owner u32, expires u32, renew 32, cancel 32, node 20. The place for data only grows:
//! a shortened share leaves its bytes behind, out of reach, until they are overwritten.

use super::leases::{Lease, NewLease, NoRoomForLease, StoredSecret};
use super::{ContainerError, ContainerVersion, Edit, MAX_LEASES, Source};
use bytes::Bytes;
use std::ops::Range;
use tahoe_crypto::{TubId, WriteEnabler};
use tahoe_encoding::{Reader, UnexpectedEnd};

/// Where the data begins.
pub const MUTABLE_DATA_OFFSET: u64 = 468;
/// Size of a lease record.
pub const MUTABLE_LEASE_SIZE: u64 = 92;
const DATA_LENGTH_OFFSET: u64 = 84;
const EXTRA_OFFSET_OFFSET: u64 = 92;
const FIRST_LEASES_OFFSET: u64 = 100;
/// How many leases fit before the data.
const FIRST_LEASES: u64 = 4;
/// Where in its record a lease has its end.
const EXPIRES_OFFSET: u64 = 4;

const MAGIC_V1: &[u8; 32] = b"Tahoe mutable container v1\n\x75\x09\x44\x03\x8e";
/// The line, and the first five bytes of its tagged hash.
const MAGIC_V2: &[u8; 32] = b"Tahoe mutable container v2\n\xc3\x55\x21\x99\x25";

/// The version that the first bytes of a file announce, if it is a mutable container.
pub(super) fn version_of(start: &[u8]) -> Option<ContainerVersion> {
    match start.first_chunk::<32>()? {
        MAGIC_V1 => Some(ContainerVersion::V1),
        MAGIC_V2 => Some(ContainerVersion::V2),
        _ => None,
    }
}

/// The header of a mutable container, checked against the size of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutableContainer {
    version: ContainerVersion,
    recorded_by: TubId,
    write_enabler: WriteEnabler,
    data_length: u64,
    extra_offset: u64,
    extra_count: u32,
}

impl MutableContainer {
    /// Reads the header and checks that data and leases fit the source.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, ContainerError> {
        let length = source.length()?;
        if length < MUTABLE_DATA_OFFSET {
            return Err(ContainerError::NoHeader { length });
        }
        let header = source.read_at(0, 100)?;
        let no_header = |UnexpectedEnd { .. }| ContainerError::NoHeader { length };
        let mut reader = Reader::new(&header);
        let magic = reader.bytes(32).map_err(no_header)?;
        let mut container = Self {
            version: version_of(magic).ok_or(ContainerError::UnknownVersion)?,
            recorded_by: TubId::from_bytes(reader.array().map_err(no_header)?),
            write_enabler: WriteEnabler::from_bytes(reader.array().map_err(no_header)?),
            data_length: reader.u64().map_err(no_header)?,
            extra_offset: reader.u64().map_err(no_header)?,
            extra_count: 0,
        };
        container.check_extra_leases(source, length)?;
        Ok(container)
    }

    fn check_extra_leases<S: Source + ?Sized>(
        &mut self,
        source: &S,
        length: u64,
    ) -> Result<(), ContainerError> {
        let offset = self.extra_offset;
        let bad_offset = ContainerError::BadExtraLeaseOffset { offset };
        let after = offset.checked_add(4).filter(|after| *after <= length);
        let (Some(room), Some(after)) = (offset.checked_sub(MUTABLE_DATA_OFFSET), after) else {
            return Err(bad_offset);
        };
        if self.data_length > room {
            return Err(ContainerError::BadDataLength {
                length: self.data_length,
            });
        }
        let count = source.read_at(offset, 4)?;
        let count = Reader::new(&count).u32().map_err(|_| bad_offset)?;
        let leases = u64::from(count).checked_mul(MUTABLE_LEASE_SIZE);
        let end = leases.and_then(|size| after.checked_add(size));
        if count > MAX_LEASES || end.is_none_or(|end| end > length) {
            return Err(ContainerError::BadLeaseCount { count });
        }
        self.extra_count = count;
        Ok(())
    }

    /// Version of the container.
    pub fn version(&self) -> ContainerVersion {
        self.version
    }

    /// The server that recorded the write enabler.
    pub fn recorded_by(&self) -> &TubId {
        &self.recorded_by
    }

    /// What a writer must present.
    pub fn write_enabler(&self) -> &WriteEnabler {
        &self.write_enabler
    }

    /// Where in the file the share's data is.
    pub fn data(&self) -> Range<u64> {
        let end = MUTABLE_DATA_OFFSET.saturating_add(self.data_length);
        MUTABLE_DATA_OFFSET..end
    }

    /// How many bytes there is room for before the extra leases must move.
    pub fn room(&self) -> u64 {
        self.extra_offset.saturating_sub(MUTABLE_DATA_OFFSET)
    }

    /// How many places for leases there are after the data.
    pub fn extra_lease_count(&self) -> u32 {
        self.extra_count
    }

    /// Reads the leases with the number of their place; free places are left out.
    pub fn leases<S: Source + ?Sized>(
        &self,
        source: &S,
    ) -> Result<Vec<(u64, Lease)>, ContainerError> {
        let places = self.lease_places(source)?;
        let taken = (0..).zip(places).filter(|(_, lease)| lease.owner != 0);
        Ok(taken.collect())
    }

    /// Reads all places for leases, the free ones too.
    fn lease_places<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<Lease>, ContainerError> {
        let extra = usize::try_from(self.extra_count).unwrap_or(usize::MAX);
        let mut records = source.read_at(FIRST_LEASES_OFFSET, 368)?;
        let extra_start = self.extra_offset.saturating_add(4);
        records.extend(source.read_at(extra_start, extra.saturating_mul(92))?);
        let mut reader = Reader::new(&records);
        let places = (0..extra.saturating_add(4)).map(|_| read_lease(self.version, &mut reader));
        let bad_count = |UnexpectedEnd { .. }| ContainerError::BadLeaseCount {
            count: self.extra_count,
        };
        places.collect::<Result<_, _>>().map_err(bad_count)
    }
}

/// Works out the edits that a change of a slot's share comes to, in the order of the original.
pub(crate) struct MutableEditor {
    container: MutableContainer,
    places: Vec<Lease>,
    edits: Vec<Edit>,
}

impl MutableEditor {
    /// Begins with a container as it is.
    pub(crate) fn read<S: Source + ?Sized>(source: &S) -> Result<Self, ContainerError> {
        let container = MutableContainer::read(source)?;
        Ok(Self {
            places: container.lease_places(source)?,
            container,
            edits: Vec::new(),
        })
    }

    /// Begins with a file that doesn't exist yet.
    pub(crate) fn create(node: TubId, write_enabler: WriteEnabler) -> Self {
        let header = [
            &MAGIC_V2[..],
            node.as_bytes(),
            write_enabler.as_bytes(),
            &0u64.to_be_bytes(),
            &MUTABLE_DATA_OFFSET.to_be_bytes(),
            &[0; 368],
            &0u32.to_be_bytes(),
        ]
        .concat();
        let free = Lease {
            owner: 0,
            renew: StoredSecret::new(ContainerVersion::V2, [0; 32]),
            cancel: StoredSecret::new(ContainerVersion::V2, [0; 32]),
            expires: 0,
            node: Some(TubId::from_bytes([0; 20])),
        };
        Self {
            container: MutableContainer {
                version: ContainerVersion::V2,
                recorded_by: node,
                write_enabler,
                data_length: 0,
                extra_offset: MUTABLE_DATA_OFFSET,
                extra_count: 0,
            },
            places: vec![free; 4],
            edits: vec![Edit::write(0, header)],
        }
    }

    /// The edits so far.
    pub(crate) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }

    /// Writes data at an offset of the share; what lies between its end and the offset is zeroed.
    pub(crate) fn write(&mut self, offset: u64, data: &Bytes) {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        let old_length = self.container.data_length;
        if end >= old_length {
            if end > self.container.room() {
                self.move_extra_leases(end);
            }
            if offset > old_length {
                self.edits.push(Edit::Zero {
                    offset: MUTABLE_DATA_OFFSET.saturating_add(old_length),
                    length: offset.saturating_sub(old_length),
                });
            }
            self.set_data_length(end);
        }
        if !data.is_empty() {
            let place = MUTABLE_DATA_OFFSET.saturating_add(offset);
            self.edits.push(Edit::write(place, Bytes::clone(data)));
        }
    }

    /// Shortens the share; does nothing if it is shorter already.
    pub(crate) fn truncate(&mut self, length: u64) {
        if length < self.container.data_length {
            self.set_data_length(length);
        }
    }

    /// Renews the lease with the same renew secret, or else puts it in the first free place.
    ///
    /// `space` is how many bytes the server has left; only a new place after the data needs any.
    pub(crate) fn add_or_renew_lease(
        &mut self,
        lease: &NewLease,
        space: u64,
    ) -> Result<(), NoRoomForLease> {
        let secret = lease.secrets.renew.as_bytes();
        let same = |old: &Lease| old.owner != 0 && old.renew.matches(secret);
        if let Some(index) = self.places.iter().position(same) {
            self.renew(index, lease.expires);
            return Ok(());
        }
        let stored = lease.stored(self.container.version);
        let record = write_lease(&stored);
        let free = self.places.iter_mut().enumerate();
        if let Some((index, place)) = free.into_iter().find(|(_, old)| old.owner == 0) {
            *place = stored;
            self.edits.push(Edit::write(self.place(index), record));
            return Ok(());
        }
        if space < MUTABLE_LEASE_SIZE || self.container.extra_count >= MAX_LEASES {
            return Err(NoRoomForLease);
        }
        let count = self.container.extra_count.saturating_add(1);
        self.container.extra_count = count;
        let (count_offset, offset) = (self.container.extra_offset, self.place(self.places.len()));
        self.edits
            .push(Edit::write(count_offset, count.to_be_bytes().to_vec()));
        self.edits.push(Edit::write(offset, record));
        self.places.push(stored);
        Ok(())
    }

    /// Frees the places of leases. Like the original, version 2 leaves the hash of a secret of zeros.
    pub(crate) fn free_places(&mut self, places: &[u64]) {
        let free = Lease::free(self.container.version);
        for index in places {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            let offset = self.place(index);
            if let Some(place) = self.places.get_mut(index) {
                *place = free.clone();
                self.edits.push(Edit::write(offset, write_lease(&free)));
            }
        }
    }

    fn renew(&mut self, index: usize, expires: u32) {
        let offset = self.place(index).saturating_add(EXPIRES_OFFSET);
        let Some(old) = self.places.get_mut(index) else {
            return;
        };
        if expires > old.expires {
            old.expires = expires;
            self.edits
                .push(Edit::write(offset, expires.to_be_bytes().to_vec()));
        }
    }

    /// Where in the file the lease record of a place is.
    fn place(&self, index: usize) -> u64 {
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        let (start, index) = match index.checked_sub(FIRST_LEASES) {
            None => (FIRST_LEASES_OFFSET, index),
            Some(extra) => (self.container.extra_offset.saturating_add(4), extra),
        };
        start.saturating_add(index.saturating_mul(MUTABLE_LEASE_SIZE))
    }

    fn set_data_length(&mut self, length: u64) {
        self.container.data_length = length;
        let field = length.to_be_bytes().to_vec();
        self.edits.push(Edit::write(DATA_LENGTH_OFFSET, field));
    }

    /// Makes room for `length` bytes of data: the old place of the extra leases is zeroed, so that
    /// no reader of the data ever sees them.
    fn move_extra_leases(&mut self, length: u64) {
        let mut block = self.container.extra_count.to_be_bytes().to_vec();
        for lease in self.places.iter().skip(4) {
            block.extend(write_lease(lease));
        }
        let offset = MUTABLE_DATA_OFFSET.saturating_add(length);
        self.edits.push(Edit::Zero {
            offset: self.container.extra_offset,
            length: u64::try_from(block.len()).unwrap_or(u64::MAX),
        });
        self.edits.push(Edit::write(offset, block));
        let field = offset.to_be_bytes().to_vec();
        self.edits.push(Edit::write(EXTRA_OFFSET_OFFSET, field));
        self.container.extra_offset = offset;
    }
}

fn read_lease(version: ContainerVersion, reader: &mut Reader<'_>) -> Result<Lease, UnexpectedEnd> {
    Ok(Lease {
        owner: reader.u32()?,
        expires: reader.u32()?,
        renew: StoredSecret::new(version, reader.array()?),
        cancel: StoredSecret::new(version, reader.array()?),
        node: Some(TubId::from_bytes(reader.array()?)),
    })
}

fn write_lease(lease: &Lease) -> Vec<u8> {
    let node = lease.node.map_or([0; 20], |node| *node.as_bytes());
    [
        &lease.owner.to_be_bytes()[..],
        &lease.expires.to_be_bytes(),
        lease.renew.as_bytes(),
        lease.cancel.as_bytes(),
        &node,
    ]
    .concat()
}
