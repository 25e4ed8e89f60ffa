//! The container of every file that this crate writes: a JSON header and named sections of bytes,
//! with a hash over all of it, written atomically.
//!
//! ```text
//! magic      8 bytes   89 6E 66 6C 6F 77 0D 0A: no text file starts so, and a transfer that changes
//!                      line ends breaks it
//! version    u32       of this layout
//! length     u64       of the header
//! header     JSON      { kind, crate_version, sections: [[name, length], ..], content }
//! sections   bytes     one after another
//! hash       32 bytes  SHA-256 of all of the above
//! ```
//!
//! Numbers are little-endian.

use std::fs;
use std::io::Write;
use std::path::Path;

use burn_pack::AtomicFile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;

const MAGIC: [u8; 8] = *b"\x89nflow\r\n";
const VERSION: u32 = 1;
const HASH_BYTES: usize = 32;
/// Magic, version and length.
const PREFIX_BYTES: usize = 8 + 4 + 8;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Model,
    Table,
    Module,
    Checkpoint,
}

impl Kind {
    fn in_words(self) -> &'static str {
        match self {
            Self::Model => "a model",
            Self::Table => "a model of a table",
            Self::Module => "the weights of a module",
            Self::Checkpoint => "a checkpoint of a training",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header<C> {
    kind: Kind,
    crate_version: String,
    sections: Vec<(String, u64)>,
    content: C,
}

/// What can be said of a file of any kind.
#[derive(Deserialize)]
struct Written {
    crate_version: String,
}

/// A file in memory.
#[derive(Debug)]
pub(crate) struct Container<C> {
    /// What the header says beside the names of the sections.
    pub content: C,
    sections: Vec<(String, Vec<u8>)>,
}

impl<C> Container<C> {
    pub fn new(content: C, sections: Vec<(&str, Vec<u8>)>) -> Self {
        let sections = sections.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        Self { content, sections }
    }

    /// Takes a section out by its name.
    pub fn take(&mut self, path: &Path, name: &str) -> Result<Vec<u8>, Error> {
        let found = self.sections.iter_mut().find(|(found, _)| found == name);
        found
            .map(|(_, bytes)| std::mem::take(bytes))
            .ok_or_else(|| problem(path, format!("has no section `{name}`")))
    }
}

impl<C: Serialize> Container<C> {
    /// Writes the file: the old one stays until the new one is whole.
    pub fn write(&self, path: &Path, kind: Kind) -> Result<(), Error> {
        let bytes = self.to_bytes(kind).map_err(|error| problem(path, error))?;
        write_atomically(path, &bytes)
    }

    pub fn to_bytes(&self, kind: Kind) -> Result<Vec<u8>, serde_json::Error> {
        let sections = self.sections.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64));
        let header = serde_json::to_vec(&Header {
            kind,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            sections: sections.collect(),
            content: &self.content,
        })?;
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        self.sections.iter().for_each(|(_, section)| bytes.extend(section));
        let hash = Sha256::digest(&bytes);
        bytes.extend(hash);
        Ok(bytes)
    }
}

impl<C: DeserializeOwned> Container<C> {
    /// Reads a file and checks that it is whole and of this kind.
    pub fn read(path: &Path, kind: Kind) -> Result<Self, Error> {
        let bytes =
            fs::read(path).map_err(|error| problem(path, format!("cannot be read: {error}")))?;
        Self::from_bytes(&bytes, kind).map_err(|what| problem(path, what))
    }

    fn from_bytes(bytes: &[u8], kind: Kind) -> Result<Self, String> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err("is not a file of normalizing-flows".to_owned());
        }
        let damaged = || {
            "is damaged: it was cut short, or bytes in it have changed; take another copy of it"
                .to_owned()
        };
        let version = bytes.get(8..12).and_then(|four| four.try_into().ok()).ok_or_else(damaged)?;
        let version = u32::from_le_bytes(version);
        let split = bytes.len().checked_sub(HASH_BYTES).ok_or_else(damaged)?;
        let (before, hash) = bytes.split_at(split);
        let is_whole = before.len() >= PREFIX_BYTES && Sha256::digest(before).as_slice() == hash;
        if version != VERSION {
            // What follows the version may be other than here, the hash too.
            let or_damaged =
                if is_whole { "" } else { ", or it is damaged: take another copy of it" };
            return Err(format!(
                "is of version {version} of the format, and this release of normalizing-flows reads \
                 version {VERSION}: update the crate{or_damaged}"
            ));
        }
        if !is_whole {
            return Err(damaged());
        }
        let length = before[12..PREFIX_BYTES].try_into().map_err(|_| damaged())?;
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| damaged())?;
        let rest = &before[PREFIX_BYTES..];
        if length > rest.len() {
            return Err(damaged());
        }
        let (header, mut rest) = rest.split_at(length);
        // The kind first: the content of another kind does not parse.
        let found: Written = parse(header)?;
        let by = format!("written by normalizing-flows {}", found.crate_version);
        let header: Header<serde_json::Value> =
            parse(header).map_err(|error| format!("{error} ({by})"))?;
        if header.kind != kind {
            return Err(format!("is {}, not {}", header.kind.in_words(), kind.in_words()));
        }
        // A release that changes what a header holds raises the version and mends older ones here.
        let content = serde_json::from_value(header.content).map_err(|error| {
            format!("has a header that this release cannot read: {error} ({by})")
        })?;
        let mut sections = Vec::with_capacity(header.sections.len());
        for (name, length) in header.sections {
            let length = usize::try_from(length).map_err(|_| damaged())?;
            let (section, others) = rest.split_at_checked(length).ok_or_else(damaged)?;
            sections.push((name, section.to_vec()));
            rest = others;
        }
        if !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self { content, sections })
    }
}

fn parse<T: DeserializeOwned>(header: &[u8]) -> Result<T, String> {
    serde_json::from_slice(header)
        .map_err(|error| format!("has a header that this release cannot read: {error}"))
}

/// Writes a file whole or not at all: the old one stays until the new one is on the disk.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    atomically(path, |mut file| file.write_all(bytes).map_err(|error| unwritten(path, error)))
}

/// The same by a function that writes to it.
pub(crate) fn atomically(
    path: &Path,
    write: impl FnOnce(&fs::File) -> Result<(), Error>,
) -> Result<(), Error> {
    let (scratch, file) = AtomicFile::create(path).map_err(|error| unwritten(path, error))?;
    write(&file)?;
    file.sync_all().map_err(|error| unwritten(path, error))?;
    drop(file);
    scratch.commit().map_err(|error| unwritten(path, error))
}

pub(crate) fn unwritten(path: &Path, error: impl std::fmt::Display) -> Error {
    problem(path, format!("cannot be written: {error}; what was there before is untouched"))
}

/// An error about a file.
pub(crate) fn problem(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::File { path: path.to_owned(), problem: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        let sections = vec![("first", vec![1, 2, 3]), ("second", vec![4; 3000])];
        Container::new("content".to_owned(), sections).to_bytes(Kind::Model).expect("it is JSON")
    }

    fn error(bytes: &[u8]) -> String {
        Container::<String>::from_bytes(bytes, Kind::Model).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut read = Container::<String>::from_bytes(&bytes(), Kind::Model).expect("it is whole");
        let path = Path::new("here");
        assert_eq!(read.content, "content");
        assert_eq!(read.take(path, "second"), Ok(vec![4; 3000]));
        assert_eq!(read.take(path, "first"), Ok(vec![1, 2, 3]));
        assert_eq!(
            read.take(path, "third").unwrap_err().to_string(),
            "here: has no section `third`"
        );
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        let whole = bytes();
        for length in 0..whole.len() {
            let error = error(&whole[..length]);
            let expected = if length < 8 { "not a file" } else { "damaged" };
            assert!(error.contains(expected), "{length}: {error}");
        }
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let whole = bytes();
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            let error = error(&changed);
            let expected = if index < 8 { "not a file" } else { "damaged" };
            assert!(error.contains(expected), "{index}: {error}");
        }
    }

    #[test]
    fn a_file_with_more_behind_it_is_refused() {
        let mut longer = bytes();
        longer.push(0);
        assert!(error(&longer).contains("damaged"));
    }

    #[test]
    fn another_kind_and_a_newer_version_are_named() {
        let whole = bytes();
        let error = Container::<String>::from_bytes(&whole, Kind::Checkpoint).unwrap_err();
        assert_eq!(error, "is a model, not a checkpoint of a training");

        let mut newer = whole[..whole.len() - HASH_BYTES].to_vec();
        newer[8] = 2;
        newer.extend(Sha256::digest(&newer).to_vec());
        let error = self::error(&newer);
        assert!(error.contains("version 2") && !error.contains("damaged"), "{error}");
        // A newer format may have another end.
        newer.truncate(newer.len() - 1);
        let error = self::error(&newer);
        assert!(error.contains("version 2") && error.contains("damaged"), "{error}");
    }
}
