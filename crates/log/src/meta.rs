//! The file `meta`: what a log directory is, written once when it is made.

use std::path::Path;

use crate::LogError;
use crate::checkpoint::{read_small_file, replace_file};
use crate::disk::Disk;

const FORMAT_VERSION: u32 = 1;

/// What a log directory is. How durable it is lies in the checkpoint, which says how to read what follows it.
///
/// ```text
/// format.version=1
/// cluster.id=MkU3OEVBNTcwNTJENDM2Qg
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) cluster_id: String,
}

impl Meta {
    /// Reads `meta`; `None` in a new directory.
    pub(crate) fn read(disk: &dyn Disk, root: &Path) -> Result<Option<Self>, LogError> {
        let path = root.join("meta");
        let Some(bytes) = read_small_file(disk, &path)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        let (version, cluster_id) = Self::decode(&text)
            .ok_or_else(|| LogError::corrupt(&path, 0, "version or cluster id is missing"))?;
        if version != FORMAT_VERSION {
            return Err(LogError::UnsupportedFormat {
                path,
                found: version,
                supported: FORMAT_VERSION,
            });
        }
        Ok(Some(Self { cluster_id }))
    }

    /// Writes `meta`; it is durable on return.
    pub(crate) fn write(&self, disk: &dyn Disk, root: &Path) -> Result<(), LogError> {
        replace_file(disk, &root.join("meta"), self.encode().as_bytes())
    }

    fn encode(&self) -> String {
        format!(
            "format.version={FORMAT_VERSION}\ncluster.id={}\n",
            self.cluster_id
        )
    }

    fn decode(text: &str) -> Option<(u32, String)> {
        let value = |name| {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            lines
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .next()
        };
        let version = value("format.version")?.parse().ok()?;
        Some((version, value("cluster.id")?.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn meta_reads_back(cluster_id in "[A-Za-z0-9_=-]{1,30}") {
            let meta = Meta { cluster_id: cluster_id.clone() };
            prop_assert_eq!(Meta::decode(&meta.encode()), Some((FORMAT_VERSION, cluster_id)));
        }
    }
}
