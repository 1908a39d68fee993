//! What many processes have in common, kept once: thousands of them run the same program with the same arguments in
//! the same directory, and a snapshot of all has to fit beside whatever made somebody look.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::Hash;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of each kind, how many different ones are remembered. Those beyond are kept with their process alone.
const POOL_LIMIT: usize = 4096;

/// A list that is never changed, which several owners may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedList<T>(Arc<[T]>);

/// A path that is never changed, which several owners may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedPath(Arc<Path>);

impl<T> Deref for SharedList<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> Borrow<[T]> for SharedList<T> {
    fn borrow(&self) -> &[T] {
        &self.0
    }
}

impl<T> From<Vec<T>> for SharedList<T> {
    fn from(list: Vec<T>) -> Self {
        Self(list.into())
    }
}

impl<T> FromIterator<T> for SharedList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<'a, T> IntoIterator for &'a SharedList<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Deref for SharedPath {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Borrow<Path> for SharedPath {
    fn borrow(&self) -> &Path {
        &self.0
    }
}

impl From<&Path> for SharedPath {
    fn from(path: &Path) -> Self {
        Self(path.into())
    }
}

impl From<&str> for SharedPath {
    fn from(path: &str) -> Self {
        Self(Path::new(path).into())
    }
}

impl From<PathBuf> for SharedPath {
    fn from(path: PathBuf) -> Self {
        Self(path.into())
    }
}

/// What was met already.
#[derive(Debug, Default)]
pub(super) struct Pool {
    paths: HashSet<SharedPath>,
    commands: HashSet<SharedList<Vec<u8>>>,
}

impl Pool {
    pub(super) fn path(&mut self, path: &[u8]) -> SharedPath {
        let path = Path::new(OsStr::from_bytes(path));
        let known = self.paths.get(path).cloned();
        known.unwrap_or_else(|| remember(&mut self.paths, path.into()))
    }

    pub(super) fn command(&mut self, arguments: Vec<Vec<u8>>) -> SharedList<Vec<u8>> {
        let known = self.commands.get(arguments.as_slice()).cloned();
        known.unwrap_or_else(|| remember(&mut self.commands, arguments.into()))
    }
}

fn remember<T: Clone + Eq + Hash>(known: &mut HashSet<T>, one: T) -> T {
    if known.len() < POOL_LIMIT {
        known.insert(one.clone());
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once_and_the_pool_is_bounded() {
        let mut pool = Pool::default();
        let (one, other) = (pool.path(b"/a"), pool.path(b"/a"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        let command = || vec![b"sleep".to_vec(), b"60".to_vec()];
        let (one, other) = (pool.command(command()), pool.command(command()));
        assert!(Arc::ptr_eq(&one.0, &other.0) && *one == command()[..]);
        for number in 0..2 * POOL_LIMIT {
            let path = format!("/{number}");
            assert_eq!(*pool.path(path.as_bytes()), *Path::new(&path));
        }
        assert_eq!(pool.paths.len(), POOL_LIMIT);
    }
}
