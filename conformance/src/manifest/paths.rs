//! Files that a manifest names: beside it or below, never elsewhere. A manifest may come from a stranger, and what it
//! names is read, run or put into containers.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::fixtures;
use crate::input::shown;

/// Most bytes of a file that a manifest names.
pub const MOST_BYTES: u64 = 16 << 20;

/// The problem with a path, and its remedy.
pub(super) type Trouble = (String, String);

/// The folder of a manifest, and the one that its paths may not leave.
pub(super) struct Home {
    folder: PathBuf,
    /// The manifest's own folder; for one of the fixtures, all of them, since they share files.
    root: PathBuf,
    /// It is one of the fixtures.
    of_suite: bool,
}

impl Home {
    /// Of the manifest in this file.
    pub(super) fn of(file: &Path) -> Home {
        let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let fixtures = fixtures::root().canonicalize().ok().filter(|fixtures| folder.starts_with(fixtures));
        let of_suite = fixtures.is_some();
        Home { root: fixtures.unwrap_or_else(|| folder.clone()), folder, of_suite }
    }

    /// A path in words that are the same on every machine: from the manifest's folder, or from that of the fixtures,
    /// `suite:agents/patroni/agent.toml`.
    pub(super) fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path).display();
        if self.of_suite { format!("suite:{below}") } else { below.to_string() }
    }

    /// The regular file that the manifest names, with no link left in its path.
    ///
    /// # Errors
    /// It is not there, is no regular file, is longer than [`MOST_BYTES`], or lies elsewhere.
    pub(super) fn file(&self, written: &str) -> Result<PathBuf, Trouble> {
        let path = self.place(written)?;
        let about =
            fs::metadata(&path).map_err(|error| (format!("{} cannot be read: {error}", path.display()), help()))?;
        if !about.is_file() {
            let kind = if about.is_dir() { "a folder" } else { "a pipe, a device or the like" };
            return Err((format!("`{}` is {kind}, no regular file", shown(written)), help()));
        }
        if about.len() > MOST_BYTES {
            let problem = format!("`{}` has more than {} MiB", shown(written), MOST_BYTES >> 20);
            return Err((problem, "put what is as large into the image".to_owned()));
        }
        Ok(path)
    }

    /// The file or folder that the manifest names, with no link left in its path.
    ///
    /// # Errors
    /// It is not there, or lies elsewhere.
    pub(super) fn place(&self, written: &str) -> Result<PathBuf, Trouble> {
        let shown = shown(written);
        if written.trim().is_empty() || written.contains('\0') {
            return Err((format!("`{shown}` is no path"), help()));
        }
        let relative = Path::new(written);
        if relative.is_absolute() {
            return Err((format!("`{shown}` is not below the manifest's folder"), help()));
        }
        // Without a look at the disk, so that nothing is told about what lies elsewhere.
        let mut lexical = self.folder.clone();
        for component in relative.components() {
            match component {
                Component::ParentDir => {
                    lexical.pop();
                }
                Component::Normal(name) => lexical.push(name),
                _ => {}
            }
            if !lexical.starts_with(&self.root) {
                return Err((format!("`{shown}` leads out of the manifest's folder"), help()));
            }
        }
        let path = self.folder.join(relative).canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => (format!("{} is not there", self.folder.join(relative).display()), help()),
            _ => (format!("{} cannot be read: {error}", self.folder.join(relative).display()), help()),
        })?;
        match path.starts_with(&self.root) {
            true => Ok(path),
            false => Err((format!("`{shown}` is a link that leads out of the manifest's folder"), help())),
        }
    }
}

fn help() -> String {
    "name a file beside the manifest, or below its folder".to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_named() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("agent");
        fs::create_dir_all(folder.join("inner")).unwrap();
        for file in ["agent/agent.toml", "agent/a.yml", "agent/inner/b.yml", "secret"] {
            fs::write(outer.path().join(file), "x").unwrap();
        }
        symlink("a.yml", folder.join("same.yml")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let large = fs::File::create(folder.join("large")).unwrap();
        large.set_len(MOST_BYTES + 1).unwrap();
        let home = Home::of(&folder.join("agent.toml"));
        for sound in ["a.yml", "./a.yml", "inner/b.yml", "inner/../a.yml", "same.yml"] {
            assert!(home.file(sound).is_ok(), "{sound}");
        }
        for (wrong, words) in [
            ("", "is no path"),
            ("a\0", "is no path"),
            ("/etc/shadow", "not below"),
            ("../secret", "leads out"),
            ("inner/../../secret", "leads out"),
            ("../agent/a.yml", "leads out"),
            ("out", "a link that leads out"),
            ("up/secret", "a link that leads out"),
            ("none.yml", "is not there"),
            ("loop", "cannot be read"),
            ("inner", "a folder"),
            ("pipe", "a pipe"),
            ("large", "more than 16 MiB"),
        ] {
            let (problem, help) = home.file(wrong).unwrap_err();
            assert!(problem.contains(words) && !help.is_empty(), "{wrong}: {problem}");
        }
    }

    #[test]
    fn agents_of_the_fixtures_share_files() {
        let home = Home::of(&fixtures::agents().join("patroni/agent.toml"));
        assert!(home.file("../../oracle/releases.json").is_ok());
        assert!(home.file("../../../Cargo.toml").is_err());
    }
}
