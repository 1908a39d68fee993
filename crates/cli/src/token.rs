//! The token of a coordinator's API as whoever serves it and whoever asks over it find it: in the environment, or in a file
//! that is its owner's alone. One reader for both, so that neither believes a file that the other refuses.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use scupper_fleet::wire::{InvalidToken, Token};

/// The variable that may hold the token.
pub(crate) const VARIABLE: &str = scupper_model::TOKEN;
/// The name of the file in the state directory.
pub(crate) const FILE: &str = "token";
/// Bytes. A file that is larger holds no token.
const FILE_LIMIT: u64 = 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("{VARIABLE} holds no token")]
    Variable(#[source] InvalidToken),
    #[error("cannot read the token in {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} holds no token", .0.display())]
    Text(PathBuf, #[source] InvalidToken),
    #[error("{} can be read by others: a token is its owner's alone (chmod 600 {})", .0.display(), .0.display())]
    Open(PathBuf),
    #[error("{} belongs to somebody else", .0.display())]
    Foreign(PathBuf),
    #[error("cannot make a token in {}", .0.display())]
    Make(PathBuf, #[source] io::Error),
}

/// What the variable holds.
pub(crate) fn of_variable(text: &str) -> Result<Token, TokenError> {
    text.trim().parse().map_err(TokenError::Variable)
}

/// What a file holds that is this user's (or root's) alone.
pub(crate) fn of_file(path: &Path) -> Result<Token, TokenError> {
    let failed = |error: io::Error| TokenError::Read(path.to_path_buf(), error);
    // A symbolic link is followed (a mounted secret is one), a pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let file = File::from(file);
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() || about.len() > FILE_LIMIT {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is no small file")));
    }
    if about.uid() != rustix::process::geteuid().as_raw() && about.uid() != 0 {
        return Err(TokenError::Foreign(path.to_path_buf()));
    }
    if about.mode() & 0o077 != 0 {
        return Err(TokenError::Open(path.to_path_buf()));
    }
    let mut text = String::new();
    file.take(FILE_LIMIT).read_to_string(&mut text).map_err(failed)?;
    text.trim().parse().map_err(|error| TokenError::Text(path.to_path_buf(), error))
}
