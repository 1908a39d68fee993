//! The registry of an agent, from what was said of it. It need not answer yet: it may be away when a command starts, and
//! that is no reason not to start it.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use scupper_fleet::wire::Token;
use scupper_fleet::{Address, Members};

use crate::failure::Failure;
use crate::paths;
use crate::token::{FILE, TokenError, VARIABLE, of_file, of_variable};

/// What an agent needs of the registry of an address. A token that is none is bad usage, as in `serve`: with it every
/// answer would be a refusal.
pub(super) fn open(address: &Address, state: Option<&Path>) -> Result<Arc<dyn Members>, Failure> {
    let state = paths::state(state);
    let said = std::env::var(VARIABLE).ok();
    let token = token(address, said.as_deref(), state.as_deref())?;
    scupper_fleet::members(address, state.as_deref(), token).map_err(Failure::scupper)
}

/// The token of a coordinator over TCP: the one of the environment; else, on this host alone, the one that the coordinator
/// of this user has made. Another host is shown nothing that was not meant for it. A coordinator that wants another one
/// says so.
fn token(address: &Address, said: Option<&str>, state: Option<&Path>) -> Result<Option<Token>, TokenError> {
    let Address::Http { host, port } = address else { return Ok(None) };
    if let Some(text) = said {
        return of_variable(text).map(Some);
    }
    let file = state.map(|state| state.join(FILE)).filter(|_| is_loopback(host, *port));
    match file.filter(|file| file.symlink_metadata().is_ok()) {
        Some(file) => of_file(&file).map(Some),
        None => Ok(None),
    }
}

/// Whether that is this host and nobody else: an address, or `localhost` where every address of it is one.
fn is_loopback(host: &str, port: u16) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let all_are = || {
        let found: Vec<_> = (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        !found.is_empty() && found.iter().all(|address| address.ip().is_loopback())
    };
    host.eq_ignore_ascii_case("localhost") && all_are()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_of_this_user_is_shown_to_this_host_alone() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("token");
        let (kept, given) = ("k".repeat(64), "g".repeat(64));
        fs::write(&file, &kept).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let shown = |address: &str, said: Option<&str>| {
            let token = token(&address.parse().unwrap(), said, Some(state.path())).unwrap();
            token.map(|token| token.reveal().to_owned())
        };
        for here in
            ["http://127.0.0.1:9465", "http://127.1.2.3", "http://[::1]:9465", "http://[::ffff:127.0.0.1]"]
        {
            assert_eq!(shown(here, None), Some(kept.clone()), "{here}");
            assert_eq!(shown(here, Some(&given)), Some(given.clone()), "{here}");
        }
        for elsewhere in [
            "http://192.0.2.1",
            "http://0.0.0.0",
            "http://[2001:db8::1]:9465",
            "http://registry.example",
            "http://localhost.example",
            "http://127.0.0.1.example",
        ] {
            assert_eq!(shown(elsewhere, None), None, "{elsewhere}");
            assert_eq!(shown(elsewhere, Some(&given)), Some(given.clone()), "{elsewhere}");
        }
        assert_eq!(shown("unix:/run/x.sock", Some("no token, and not asked for")), None);
    }

    #[test]
    fn a_token_that_is_none_or_that_others_can_read_is_bad_usage() {
        let state = tempfile::tempdir().unwrap();
        let here: Address = "http://127.0.0.1:9465".parse().unwrap();
        assert_eq!(token(&here, None, Some(state.path())).unwrap(), None, "nobody has made one yet");
        let said = token(&here, Some("s3cret"), Some(state.path())).unwrap_err();
        assert!(matches!(said, TokenError::Variable(_)) && !format!("{said:?} {said}").contains("s3cret"));
        fs::write(state.path().join("token"), "k".repeat(64)).unwrap();
        fs::set_permissions(state.path().join("token"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(token(&here, None, Some(state.path())), Err(TokenError::Open(_))));
    }
}
