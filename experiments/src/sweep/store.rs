//! The folder of a sweep: finished runs that survive a kill, and results that are written last.
//!
//! ```text
//! sweep.json      which sweep this is; written first, and locked while somebody works here
//! runs/           one file for each finished run, put in place by a rename
//! plots/          pictures
//! *.csv, summary.json, manifest.json      results; the manifest comes last
//! ```
//!
//! Everything is written under a hidden name and renamed, so that a file with its proper name is whole; a kill leaves
//! at most hidden files, which the next start removes. The folder belongs to one sweep: another one is refused, and
//! `force` removes what the earlier sweep left and nothing else.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::plan::RunId;
use super::record::RunRecord;

/// The file that says which sweep a folder belongs to.
pub(crate) const IDENTITY_FILE: &str = "sweep.json";
const RUNS: &str = "runs";
const PLOTS: &str = "plots";
const MANIFEST: &str = "manifest.json";
/// Files at the top of the folder.
const RESULTS: [&str; 6] =
    [MANIFEST, "runs.csv", "aggregate.csv", "failures.csv", "summary.json", "report.md"];

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It holds another sweep.
    #[error("{} holds another sweep; choose another folder with --out, or replace it with --force", .path.display())]
    OtherSweep {
        /// The folder.
        path: PathBuf,
    },
    /// It holds files that are not of a sweep.
    #[error("{} holds files that are not of a sweep; choose another folder with --out", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// It is a file.
    #[error("{} is not a folder", .path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Somebody is at work in it.
    #[error("another ipseclab is working in {}", .path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A record that was written is gone or torn.
    #[error("{} was changed while the sweep ran", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A record has no JSON form.
    #[error("cannot write a record: {0}")]
    Record(#[from] serde_json::Error),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder of one sweep, held by this process.
#[derive(Debug)]
pub(super) struct SweepFolder {
    path: PathBuf,
    /// Keeps others out until it is closed, however the process ends.
    _lock: File,
}

/// What is found in a folder.
enum Found {
    Nothing,
    SameSweep,
    OtherSweep,
}

impl SweepFolder {
    /// Opens the folder for the sweep that `identity` describes; nothing is written unless it may be used.
    ///
    /// # Errors
    /// When it holds something else, or somebody else is at work in it.
    pub(super) fn open(path: &Path, identity: &[u8], force: bool) -> Result<Self, StoreError> {
        let path = path.to_path_buf();
        let found = inspect(&path, identity)?;
        if matches!(found, Found::OtherSweep) && !force {
            return Err(StoreError::OtherSweep { path });
        }
        if matches!(found, Found::Nothing) {
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        let own = path.join(IDENTITY_FILE);
        let held = if own.exists() { Some(lock(&path, &own)?) } else { None };
        if force {
            clear(&path)?;
        }
        let lock = if let (Some(held), Found::SameSweep) = (held, found) {
            held
        } else {
            replace(&path, IDENTITY_FILE, identity)?;
            lock(&path, &own)?
        };
        remove_matching(&path, is_partial)?;
        for folder in [RUNS, PLOTS] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
            remove_matching(&folder, is_partial)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The record of a run, or `None` when there is none or it is torn.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn record(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let file = self.record_path(id);
        match fs::read(&file) {
            Ok(bytes) => Ok(RunRecord::decode(&bytes, id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &file)(error)),
        }
    }

    /// Whether there is a file for a run, whole or not.
    pub(super) fn has(&self, id: RunId) -> bool {
        self.record_path(id).exists()
    }

    /// The record of a run that was there a moment ago.
    ///
    /// # Errors
    /// When it is gone or torn.
    pub(super) fn expect_record(&self, id: RunId) -> Result<RunRecord, StoreError> {
        self.record(id)?.ok_or_else(|| StoreError::Changed { path: self.record_path(id) })
    }

    /// Keeps the record of a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, id: RunId, record: &RunRecord) -> Result<(), StoreError> {
        replace(&self.path.join(RUNS), &record_name(id), record.encode(id)?.as_bytes())
    }

    /// Makes ready for new results: the manifest, which says that results are complete, goes first.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(super) fn begin_results(&self) -> Result<(), StoreError> {
        remove(&self.path.join(MANIFEST))?;
        remove_matching(&self.path.join(PLOTS), is_plot)
    }

    /// Writes a result; `name` is relative and its folder exists.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        replace(&self.path, name, bytes)
    }

    fn record_path(&self, id: RunId) -> PathBuf {
        self.path.join(RUNS).join(record_name(id))
    }
}

fn record_name(id: RunId) -> String {
    format!("{id}.jsonl")
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io { action, path, source }
}

fn inspect(path: &Path, identity: &[u8]) -> Result<Found, StoreError> {
    let names = match names(path) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StoreError::NotAFolder { path: path.to_path_buf() });
        }
        Err(error) => return Err(failed("read", path)(error)),
    };
    if names.iter().all(|name| is_partial(name)) {
        return Ok(Found::Nothing);
    }
    let own = path.join(IDENTITY_FILE);
    match fs::read(&own) {
        Ok(bytes) if bytes == identity => Ok(Found::SameSweep),
        Ok(bytes) if is_identity(&bytes) => Ok(Found::OtherSweep),
        Ok(_) => Err(StoreError::Foreign { path: path.to_path_buf() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StoreError::Foreign { path: path.to_path_buf() })
        }
        Err(error) => Err(failed("read", &own)(error)),
    }
}

/// Whether a file called `sweep.json` is one of ours, of whatever version.
fn is_identity(bytes: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    value
        .is_some_and(|value| value["program"] == ipseclab_output::PROGRAM && value["runs_sha256"].is_string())
}

fn lock(path: &Path, file: &Path) -> Result<File, StoreError> {
    let file = File::open(file).map_err(failed("open", file))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy { path: path.to_path_buf() }),
        // A file system without locks must not keep anybody from working; renames keep records whole all the same.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Removes what a sweep wrote, except the file that says which one it was.
fn clear(path: &Path) -> Result<(), StoreError> {
    for name in RESULTS {
        remove(&path.join(name))?;
    }
    remove_matching(&path.join(RUNS), is_record)?;
    remove_matching(&path.join(PLOTS), is_plot)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn remove_matching(folder: &Path, ours: fn(&str) -> bool) -> Result<(), StoreError> {
    let names = match names(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", folder)(error)),
    };
    names.iter().filter(|name| ours(name)).try_for_each(|name| remove(&folder.join(name)))
}

fn remove(file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", file)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A file that was being written when its process ended.
fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.contains(".partial-")
}

fn is_record(name: &str) -> bool {
    name.strip_suffix(".jsonl").is_some_and(|id| id.len() == 64 && id.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// `01-latency.svg` and the like.
fn is_plot(name: &str) -> bool {
    let numbered = name.bytes().take(2).all(|c| c.is_ascii_digit()) && name.as_bytes().get(2) == Some(&b'-');
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    numbered && matches!(end, Some("svg" | "png"))
}

/// Writes aside and renames; the process number and the unique proper name keep writers apart.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let target = folder.join(name);
    let file_name = target.file_name().unwrap_or_default().to_string_lossy();
    let aside = target.with_file_name(format!(".{file_name}.partial-{}", std::process::id()));
    fs::write(&aside, bytes).map_err(failed("write", &aside))?;
    fs::rename(&aside, &target).map_err(failed("write", &target))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const A: &[u8] = b"{\"program\": \"ipseclab\", \"runs_sha256\": \"a\"}";
    const B: &[u8] = b"{\"program\": \"ipseclab\", \"runs_sha256\": \"b\"}";

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn a_sweep_finds_its_own_folder_again() {
        let root = TempDir::new().unwrap();
        let path = root.path().join("deep/out");
        drop(SweepFolder::open(&path, A, false).unwrap());
        touch(&path.join("runs.csv"));
        drop(SweepFolder::open(&path, A, false).unwrap());
        assert!(path.join("runs.csv").exists());
    }

    #[test]
    fn the_folder_of_another_sweep_is_refused_and_replaced_by_force() {
        let root = TempDir::new().unwrap();
        let record = format!("runs/{}.jsonl", "0".repeat(64));
        drop(SweepFolder::open(root.path(), A, false).unwrap());
        for name in [record.as_str(), "runs.csv", "manifest.json", "plots/01-old.png"] {
            touch(&root.path().join(name));
        }
        for name in ["mine.txt", "runs/mine.jsonl", "plots/mine.png"] {
            touch(&root.path().join(name));
        }
        let refused = SweepFolder::open(root.path(), B, false);
        assert!(matches!(refused, Err(StoreError::OtherSweep { .. })));
        assert!(root.path().join(&record).exists());
        drop(SweepFolder::open(root.path(), B, true).unwrap());
        for name in [record.as_str(), "runs.csv", "manifest.json", "plots/01-old.png"] {
            assert!(!root.path().join(name).exists(), "{name}");
        }
        for name in ["mine.txt", "runs/mine.jsonl", "plots/mine.png"] {
            assert!(root.path().join(name).exists(), "{name}");
        }
        assert_eq!(fs::read(root.path().join(IDENTITY_FILE)).unwrap(), B);
    }

    #[test]
    fn a_folder_of_something_else_is_refused_even_with_force() {
        let root = TempDir::new().unwrap();
        touch(&root.path().join("thesis.tex"));
        for force in [false, true] {
            let refused = SweepFolder::open(root.path(), A, force);
            assert!(matches!(refused, Err(StoreError::Foreign { .. })));
        }
        touch(&root.path().join(IDENTITY_FILE));
        assert!(matches!(SweepFolder::open(root.path(), A, true), Err(StoreError::Foreign { .. })));
        let file = root.path().join("thesis.tex");
        assert!(matches!(SweepFolder::open(&file, A, true), Err(StoreError::NotAFolder { .. })));
        assert_eq!(names(root.path()).unwrap().len(), 2, "nothing was written");
    }

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let root = TempDir::new().unwrap();
        let first = SweepFolder::open(root.path(), A, false).unwrap();
        for (identity, force) in [(A, false), (A, true), (B, true)] {
            let second = SweepFolder::open(root.path(), identity, force);
            assert!(matches!(second, Err(StoreError::Busy { .. })));
        }
        drop(first);
        assert!(SweepFolder::open(root.path(), A, false).is_ok());
    }

    #[test]
    fn what_a_killed_process_was_writing_is_removed() {
        let root = TempDir::new().unwrap();
        touch(&root.path().join(".sweep.json.partial-1"));
        let folder = SweepFolder::open(root.path(), A, false).unwrap();
        assert!(!root.path().join(".sweep.json.partial-1").exists());
        touch(&folder.path().join("runs/.abc.jsonl.partial-1"));
        drop(folder);
        drop(SweepFolder::open(root.path(), A, false).unwrap());
        assert_eq!(names(&root.path().join("runs")).unwrap(), [""; 0]);
    }
}
