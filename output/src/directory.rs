//! A run's directory: filled aside, checked, and moved into place as a whole.
//!
//! Files are written to a hidden sibling of the target, and [`RunDirectory::commit`] renames it; until then the
//! target is untouched, and a run that fails leaves nothing behind. A target that holds files is refused. With
//! `force` it is replaced, but only if it is a run of this program (it has our manifest), and only the files
//! which that manifest lists: a file that somebody put beside them survives.
//!
//! A killed process cannot tidy up and leaves its hidden sibling, whose name says which run it belonged to.

use crate::hex::hex;
use crate::manifest::{MANIFEST_FILE, Manifest};
use crate::summary::SummaryError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

/// Why a directory could not be made, filled or moved into place.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The target holds files, and `force` was not given.
    #[error("{} holds files already; choose another directory or use --force", .path.display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// The target holds files, and none of them is a manifest of this program.
    #[error("{} holds files and no manifest of ipseclab; --force replaces earlier runs only", .path.display())]
    NotOurs {
        /// The target.
        path: PathBuf,
    },
    /// The target exists and is no directory.
    #[error("{} is not a directory", .path.display())]
    NotADirectory {
        /// The target.
        path: PathBuf,
    },
    /// A file of somebody else stands where this run wants to write one.
    #[error("{} is not a file of the earlier run and would be overwritten", .path.display())]
    Foreign {
        /// The file in the way.
        path: PathBuf,
    },
    /// A name that is empty, absolute, or leads out of the directory.
    #[error("{name:?} is not a path inside the output directory")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// Two files of one run have the same name.
    #[error("{name} was written twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// The manifest could not be serialised.
    #[error(transparent)]
    Manifest(#[from] SummaryError),
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

/// SHA-256 of `bytes` as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The first eight hex digits of the SHA-256 of `bytes`, for names of directories.
pub fn short_hash(bytes: &[u8]) -> String {
    sha256_hex(bytes)[..8].to_owned()
}

/// An output directory that is being filled; dropping it without [`commit`](Self::commit) removes what was written.
#[derive(Debug)]
pub struct RunDirectory {
    target: PathBuf,
    staging: PathBuf,
    /// Folders made for the staging folder to stand in, innermost first.
    made: Vec<PathBuf>,
    previous: Option<Manifest>,
    files: BTreeMap<String, String>,
}

impl RunDirectory {
    /// Prepares to write `path`, which does not change before [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`OutputError::NotEmpty`] if `path` holds files and `force` is off; [`OutputError::NotOurs`] if it holds
    /// files that no earlier run left; [`OutputError::NotADirectory`] and [`OutputError::Io`].
    pub fn create(path: impl AsRef<Path>, force: bool) -> Result<Self, OutputError> {
        let target = path.as_ref().to_path_buf();
        let previous = inspect(&target, force)?;
        let staging = sibling(&target, "partial")?;
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<_> =
            parent_of(&staging).ancestors().take_while(missing).map(Path::to_path_buf).collect();
        if let Err(error) = make(&staging) {
            remove_empty(&made);
            return Err(error);
        }
        Ok(Self { target, staging, made, previous, files: BTreeMap::new() })
    }

    /// Where the files will be after [`commit`](Self::commit).
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Writes one file; `name` is relative, with `/` between its parts, and its folders are made.
    ///
    /// # Errors
    /// [`OutputError::BadName`], [`OutputError::Twice`], [`OutputError::Foreign`] or [`OutputError::Io`].
    pub fn write_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        check_name(name)?;
        if self.files.contains_key(name) || name == MANIFEST_FILE {
            return Err(OutputError::Twice { name: name.to_owned() });
        }
        self.check_not_foreign(name)?;
        self.store(name, bytes)?;
        self.files.insert(name.to_owned(), sha256_hex(bytes));
        Ok(())
    }

    /// Adds the manifest, with the hashes of all files written, and moves everything into place.
    ///
    /// # Errors
    /// [`OutputError::NotEmpty`] if somebody filled the target meanwhile, or [`OutputError::Io`]; the target then is
    /// as it was.
    pub fn commit(mut self, mut manifest: Manifest) -> Result<PathBuf, OutputError> {
        manifest.files = std::mem::take(&mut self.files);
        self.store(MANIFEST_FILE, &manifest.to_json()?)?;
        match self.previous.take() {
            None => self.move_into_place()?,
            Some(previous) => self.replace(&previous)?,
        }
        Ok(self.target.clone())
    }

    fn store(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        let file = self.staging.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        }
        fs::write(&file, bytes).map_err(io_error("write", &file))
    }

    fn check_not_foreign(&self, name: &str) -> Result<(), OutputError> {
        let Some(previous) = &self.previous else { return Ok(()) };
        let path = self.target.join(name);
        if !previous.files.contains_key(name) && fs::symlink_metadata(&path).is_ok() {
            return Err(OutputError::Foreign { path });
        }
        // A file of somebody else where this run wants a folder.
        let folders = Path::new(name).ancestors().skip(1);
        let blocking = folders.map(|folder| (folder, self.target.join(folder))).find(|(folder, path)| {
            path.is_file() && !previous.files.contains_key(folder.to_string_lossy().as_ref())
        });
        blocking.map_or(Ok(()), |(_, path)| Err(OutputError::Foreign { path }))
    }

    /// For a target that is absent or an empty directory; a directory that was filled meanwhile refuses to go.
    fn move_into_place(&self) -> Result<(), OutputError> {
        match fs::remove_dir(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                return Err(OutputError::NotEmpty { path: self.target.clone() });
            }
            // Absent is the usual case; anything else shows in the rename.
            Ok(()) | Err(_) => {}
        }
        fs::rename(&self.staging, &self.target).map_err(io_error("move results to", &self.target))
    }

    fn replace(&self, previous: &Manifest) -> Result<(), OutputError> {
        let old = sibling(&self.target, "replaced")?;
        fs::rename(&self.target, &old).map_err(io_error("set aside", &self.target))?;
        if let Err(source) = fs::rename(&self.staging, &self.target) {
            fs::rename(&old, &self.target).map_err(io_error("restore", &self.target))?;
            return Err(io_error("move results to", &self.target)(source));
        }
        discard(&old, previous)?;
        keep_foreign(&old, &self.target)
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // After a commit the staging folder is gone; a failure to tidy up must not hide the error that led here.
        let _ = fs::remove_dir_all(&self.staging);
        remove_empty(&self.made);
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_path_buf();
    move |source| OutputError::Io { action, path, source }
}

/// Decides whether `target` may be written; the manifest of the run that it would replace, if any.
fn inspect(target: &Path, force: bool) -> Result<Option<Manifest>, OutputError> {
    let path = || target.to_path_buf();
    let mut entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(OutputError::NotADirectory { path: path() });
        }
        Err(error) => return Err(io_error("read", target)(error)),
    };
    if entries.next().is_none() {
        return Ok(None);
    }
    if !force {
        return Err(OutputError::NotEmpty { path: path() });
    }
    let bytes = fs::read(target.join(MANIFEST_FILE)).unwrap_or_default();
    let manifest = Manifest::parse(&bytes).ok_or_else(|| OutputError::NotOurs { path: path() })?;
    manifest.files.keys().try_for_each(|name| check_name(name))?;
    Ok(Some(manifest))
}

/// A hidden neighbour of `target`, so that a rename stays within one file system; the process number keeps two
/// processes apart and never reaches a result.
fn sibling(target: &Path, purpose: &str) -> Result<PathBuf, OutputError> {
    let name =
        target.file_name().ok_or_else(|| OutputError::BadName { name: target.display().to_string() })?;
    let hidden = format!(".{}.{purpose}-{}", name.to_string_lossy(), std::process::id());
    Ok(target.with_file_name(hidden))
}

/// Makes the staging folder and those that it stands in.
fn make(staging: &Path) -> Result<(), OutputError> {
    let parent = parent_of(staging);
    fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    fs::create_dir(staging).map_err(io_error("create", staging))
}

/// Removes folders that are empty; one that holds results, or anything of somebody else, refuses to go.
fn remove_empty(folders: &[PathBuf]) {
    for folder in folders {
        let _ = fs::remove_dir(folder);
    }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn check_name(name: &str) -> Result<(), OutputError> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let inside = !name.is_empty() && !name.contains('\\') && Path::new(name).components().all(plain);
    if inside { Ok(()) } else { Err(OutputError::BadName { name: name.to_owned() }) }
}

/// Removes the listed files of the earlier run, and the folders that this leaves empty.
fn discard(old: &Path, previous: &Manifest) -> Result<(), OutputError> {
    let names = previous.files.keys().map(String::as_str).chain([MANIFEST_FILE]);
    for name in names {
        let file = old.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &file)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Moves what is left of `old` (files of somebody else) to the same place below `target`, and removes `old`.
fn keep_foreign(old: &Path, target: &Path) -> Result<(), OutputError> {
    for entry in fs::read_dir(old).map_err(io_error("read", old))? {
        let from = entry.map_err(io_error("read", old))?.path();
        let Some(name) = from.file_name() else { continue };
        let to = target.join(name);
        if from.is_dir() && !from.is_symlink() {
            keep_foreign_folder(&from, &to)?;
        } else {
            fs::rename(&from, &to).map_err(io_error("keep", &to))?;
        }
    }
    fs::remove_dir(old).map_err(io_error("remove", old))
}

fn keep_foreign_folder(from: &Path, to: &Path) -> Result<(), OutputError> {
    let empty = fs::read_dir(from).map_err(io_error("read", from))?.next().is_none();
    if !empty {
        fs::create_dir_all(to).map_err(io_error("create", to))?;
    }
    keep_foreign(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// Every file below `root`, by relative path; hidden siblings would show up here.
    fn listing(root: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }

    fn names(root: &Path) -> Vec<String> {
        listing(root).into_keys().collect()
    }

    fn run(target: &Path, force: bool, files: &[(&str, &str)]) -> Result<PathBuf, OutputError> {
        let mut directory = RunDirectory::create(target, force)?;
        for (name, text) in files {
            directory.write_file(name, text.as_bytes())?;
        }
        directory.commit(Manifest::new("0.1.0"))
    }

    #[test]
    fn nothing_is_in_place_before_the_commit() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("deep/out");
        let mut directory = RunDirectory::create(&target, false).unwrap();
        directory.write_file("a/b.csv", b"1").unwrap();
        assert!(!target.exists());
        directory.commit(Manifest::new("0.1.0")).unwrap();
        assert_eq!(names(root.path()), ["deep/out/a/b.csv", "deep/out/manifest.json"]);
    }

    #[test]
    fn the_manifest_lists_the_hash_of_every_file() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        run(&target, false, &[("x", "abc")]).unwrap();
        let manifest = Manifest::parse(&fs::read(target.join(MANIFEST_FILE)).unwrap()).unwrap();
        // FIPS 180-2 appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(manifest.files, BTreeMap::from([("x".to_owned(), hash.to_owned())]));
        assert_eq!(short_hash(b"abc"), "ba7816bf");
    }

    #[test]
    fn an_abandoned_run_leaves_nothing() {
        let root = TempDir::new().unwrap();
        for target in ["out", "deep/er/out"] {
            let mut directory = RunDirectory::create(root.path().join(target), false).unwrap();
            directory.write_file("a", b"1").unwrap();
            drop(directory);
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{target}");
        }
    }

    #[test]
    fn an_abandoned_run_leaves_the_folders_that_others_use() {
        let root = TempDir::new().unwrap();
        let directory = RunDirectory::create(root.path().join("deep/er/out"), false).unwrap();
        fs::write(root.path().join("deep/notes"), "mine").unwrap();
        drop(directory);
        assert_eq!(names(root.path()), ["deep/notes"]);
        assert!(!root.path().join("deep/er").exists());
    }

    #[test]
    fn an_empty_directory_is_used_and_a_full_one_is_refused() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        fs::create_dir(&target).unwrap();
        run(&target, false, &[("a", "1")]).unwrap();
        let before = listing(root.path());
        let error = run(&target, false, &[("a", "2")]).unwrap_err();
        assert!(matches!(error, OutputError::NotEmpty { .. }));
        assert!(error.to_string().ends_with("holds files already; choose another directory or use --force"));
        assert_eq!(listing(root.path()), before);
    }

    #[test]
    fn force_does_not_touch_a_directory_of_somebody_else() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        fs::create_dir(&target).unwrap();
        for manifest in [None, Some("{\"program\": \"other\"}")] {
            fs::write(target.join("thesis.tex"), "years").unwrap();
            manifest.inspect(|text| fs::write(target.join(MANIFEST_FILE), text).unwrap());
            let before = listing(root.path());
            assert!(matches!(run(&target, true, &[]), Err(OutputError::NotOurs { .. })));
            assert_eq!(listing(root.path()), before);
        }
    }

    #[test]
    fn force_replaces_the_files_of_the_earlier_run_and_keeps_the_others() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        run(&target, false, &[("old.csv", "1"), ("capture/a.pcapng", "2"), ("both", "3")]).unwrap();
        fs::create_dir(target.join("mine")).unwrap();
        fs::write(target.join("mine/notes"), "keep").unwrap();
        fs::write(target.join("capture/notes"), "keep").unwrap();
        run(&target, true, &[("both", "4"), ("new", "5")]).unwrap();
        let expected = ["out/both", "out/capture/notes", "out/manifest.json", "out/mine/notes", "out/new"];
        assert_eq!(names(root.path()), expected);
        assert_eq!(fs::read_to_string(target.join("both")).unwrap(), "4");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_forced_run_leaves_the_earlier_one() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        run(&target, false, &[("a", "1")]).unwrap();
        fs::write(target.join("b"), "mine").unwrap();
        let before = listing(root.path());
        for blocked in ["b", "b/c"] {
            let error = run(&target, true, &[("a", "2"), (blocked, "3")]).unwrap_err();
            assert!(matches!(error, OutputError::Foreign { path } if path == target.join("b")));
            assert_eq!(listing(root.path()), before);
        }
    }

    #[test]
    fn a_directory_filled_meanwhile_is_not_overwritten() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        let directory = RunDirectory::create(&target, false).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "theirs").unwrap();
        assert!(matches!(directory.commit(Manifest::new("0.1.0")), Err(OutputError::NotEmpty { .. })));
        assert_eq!(names(root.path()), ["out/x"]);
    }

    #[test]
    fn names_that_lead_out_of_the_directory_are_refused() {
        let root = TempDir::new().unwrap();
        let mut directory = RunDirectory::create(root.path().join("out"), false).unwrap();
        for name in ["", "/etc/x", "../x", "a/../../x", "a\\b", "."] {
            assert!(matches!(directory.write_file(name, b""), Err(OutputError::BadName { .. })), "{name:?}");
        }
        directory.write_file("x", b"").unwrap();
        for name in ["x", MANIFEST_FILE] {
            assert!(matches!(directory.write_file(name, b""), Err(OutputError::Twice { .. })), "{name}");
        }
    }

    #[test]
    fn a_manifest_that_names_files_elsewhere_is_refused() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        fs::create_dir(&target).unwrap();
        let files = BTreeMap::from([("../precious".to_owned(), String::new())]);
        let manifest = Manifest { files, ..Manifest::new("0.1.0") };
        fs::write(target.join(MANIFEST_FILE), manifest.to_json().unwrap()).unwrap();
        assert!(matches!(RunDirectory::create(&target, true), Err(OutputError::BadName { .. })));
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let root = TempDir::new().unwrap();
        let target = root.path().join("out");
        fs::write(&target, "file").unwrap();
        assert!(matches!(RunDirectory::create(&target, true), Err(OutputError::NotADirectory { .. })));
        assert!(matches!(RunDirectory::create("/", true), Err(OutputError::NotOurs { .. })));
    }
}
