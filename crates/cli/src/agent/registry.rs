//! The registry of an agent, from what was said of it. It need not answer yet: it may be away when a command starts, and
//! that is no reason not to start it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use scupper_fleet::wire::Token;
use scupper_fleet::{Address, Members, StoreError};

use crate::paths;

/// The file of it in the state directory.
const TOKEN_FILE: &str = "token";
/// A file that is larger holds no token.
const TOKEN_LIMIT: u64 = 1024;

/// What an agent needs of the registry of an address.
pub(super) fn open(address: &Address, state: Option<&Path>) -> Result<Arc<dyn Members>, StoreError> {
    let state = paths::state(state);
    scupper_fleet::members(address, state.as_deref(), token(state.as_deref()))
}

/// The token of a coordinator over TCP: from the environment, else the one that the coordinator of this user has made. A
/// coordinator that wants another one says so.
fn token(state: Option<&Path>) -> Option<Token> {
    if let Ok(text) = std::env::var(scupper_model::TOKEN) {
        return text.trim().parse().ok();
    }
    let mut text = String::new();
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(state?.join(TOKEN_FILE)).ok()?;
    file.take(TOKEN_LIMIT).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
