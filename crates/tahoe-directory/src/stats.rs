//! What a directory tree is made of, in numbers.

use crate::Node;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tahoe_caps::{ReadFileCap, Target};

/// Counts and sizes of a tree, as `deep-stats` reports them.
///
/// Every object counts once, apart from literals, which count every time. Sizes are in bytes; those
/// of mutable files aren't known without asking servers and are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeepStats {
    immutable_files: u64,
    mutable_files: u64,
    literal_files: u64,
    directories: u64,
    unknown: u64,
    immutable_size: u64,
    literal_size: u64,
    directories_size: u64,
    largest_directory: u64,
    most_children: u64,
    largest_immutable_file: u64,
    /// How many immutable files lie in a range of sizes, by its ends.
    histogram: BTreeMap<(u64, u64), u64>,
}

impl DeepStats {
    /// Counts an object.
    pub fn add_node(&mut self, node: &Node) {
        match (node.target(), node.to_read()) {
            (None, _) | (_, None) => self.unknown += 1,
            (Some(Target::Directory), _) => self.directories += 1,
            (Some(Target::File), Some(cap)) => self.add_file(&cap.file),
        }
    }

    fn add_file(&mut self, file: &ReadFileCap) {
        let size = match file {
            ReadFileCap::Mutable(_) => {
                self.mutable_files += 1;
                return;
            }
            ReadFileCap::Literal(cap) => {
                let size = cap.content().len() as u64;
                self.literal_files += 1;
                add(&mut self.literal_size, size);
                size
            }
            ReadFileCap::Chk(cap) => {
                self.immutable_files += 1;
                add(&mut self.immutable_size, cap.size);
                self.largest_immutable_file = self.largest_immutable_file.max(cap.size);
                cap.size
            }
        };
        *self.histogram.entry(bucket(size)).or_default() += 1;
    }

    /// Counts what was found when a directory was read: the bytes of its file and its children.
    pub fn enter_directory(&mut self, size: u64, children: u64) {
        add(&mut self.directories_size, size);
        self.largest_directory = self.largest_directory.max(size);
        self.most_children = self.most_children.max(children);
    }

    /// What the tree takes on servers: the files of directories and immutable files.
    pub fn total_size(&self) -> u64 {
        self.immutable_size.saturating_add(self.directories_size)
    }

    /// The object that programs read.
    pub fn to_json(&self) -> Map<String, Value> {
        let files = self.immutable_files + self.mutable_files + self.literal_files;
        let mut object = Map::new();
        for (key, value) in [
            ("api-version", 1),
            ("count-immutable-files", self.immutable_files),
            ("count-mutable-files", self.mutable_files),
            ("count-literal-files", self.literal_files),
            ("count-files", files),
            ("count-directories", self.directories),
            ("count-unknown", self.unknown),
            ("size-immutable-files", self.immutable_size),
            ("size-literal-files", self.literal_size),
            ("size-directories", self.directories_size),
            ("largest-directory", self.largest_directory),
            ("largest-directory-children", self.most_children),
            ("largest-immutable-file", self.largest_immutable_file),
        ] {
            object.insert(key.to_owned(), value.into());
        }
        let histogram = self.histogram.iter();
        let histogram = histogram.map(|((least, most), count)| json!([least, most, count]));
        object.insert("size-files-histogram".to_owned(), histogram.collect());
        object
    }
}

fn add(sum: &mut u64, size: u64) {
    *sum = sum.saturating_add(size);
}

/// The range of sizes that a size lies in: (0, 0), (1, 3), (4, 10), (11, 31), (32, 100), … two per
/// power of ten.
fn bucket(size: u64) -> (u64, u64) {
    let (mut least, mut most) = (0, 0);
    let mut half_powers = 0;
    while size > most {
        least = most + 1;
        half_powers += 1;
        most = half_power_of_ten(half_powers);
    }
    (least, most)
}

/// The largest whole number that isn't above 10^(n/2).
fn half_power_of_ten(n: u32) -> u64 {
    10u128
        .checked_pow(n)
        .and_then(|square| u64::try_from(square.isqrt()).ok())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ranges_per_power_of_ten() {
        for (size, expected) in [
            (0, (0, 0)),
            (1, (1, 3)),
            (3, (1, 3)),
            (4, (4, 10)),
            (31, (11, 31)),
            (32, (32, 100)),
            (316, (101, 316)),
            (317, (317, 1000)),
            (1_000_000_000_000, (316_227_766_017, 1_000_000_000_000)),
            (u64::MAX, (10_000_000_000_000_000_001, u64::MAX)),
        ] {
            assert_eq!(bucket(size), expected, "{size}");
        }
    }
}
