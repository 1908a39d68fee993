//! From an address to whatever answers there. The one place where the real clock and the real boot id come in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scupper_model::BootId;

use crate::wire::Token;
use crate::{Address, EmbeddedStore, Members, RedisStore, Remote, Store, StoreError, SystemClock};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Opens a registry. `state` is the state directory, where an embedded one is that names no directory.
///
/// Files are opened here and now; a server is connected to when it is first asked ([`Store::check`]).
pub fn open(address: &Address, state: Option<&Path>) -> Result<Arc<dyn Store>, StoreError> {
    match address {
        Address::Redis(redis) => Ok(Arc::new(RedisStore::open(redis)?)),
        Address::Embedded(directory) => Ok(Arc::new(embedded(address, directory.as_ref(), state)?)),
        Address::Http { .. } | Address::Unix(_) => Err(StoreError::Address {
            url: address.to_string(),
            why: "it is a coordinator's API, which agents use; give the registry that the coordinator serves"
                .to_owned(),
        }),
    }
}

/// Opens what an agent needs of a registry: the registry itself, or the API of a coordinator that has it. Over TCP that one
/// asks for a `token`.
pub fn members(
    address: &Address,
    state: Option<&Path>,
    token: Option<Token>,
) -> Result<Arc<dyn Members>, StoreError> {
    match address {
        Address::Redis(redis) => Ok(Arc::new(RedisStore::open(redis)?)),
        Address::Embedded(directory) => Ok(Arc::new(embedded(address, directory.as_ref(), state)?)),
        Address::Http { host, port } => Ok(Arc::new(Remote::tcp(host, *port, token))),
        Address::Unix(path) => Ok(Arc::new(Remote::unix(path))),
    }
}

fn embedded(
    address: &Address,
    directory: Option<&PathBuf>,
    state: Option<&Path>,
) -> Result<EmbeddedStore, StoreError> {
    let Some(directory) = directory.map(PathBuf::as_path).or(state) else {
        return Err(StoreError::Address {
            url: address.to_string(),
            why:
                "there is no state directory: give one with --state DIR, or write `embedded:/path/directory`"
                    .to_owned(),
        });
    };
    EmbeddedStore::open(directory, Arc::new(SystemClock), boot_id(address)?)
}

fn boot_id(address: &Address) -> Result<BootId, StoreError> {
    let unfit = |why: String| StoreError::Unfit { url: address.to_string(), why };
    let text = fs::read_to_string(BOOT_ID).map_err(|error| {
        unfit(format!("cannot read {BOOT_ID}, without which old heartbeats look new: {error}"))
    })?;
    text.parse().map_err(|error| unfit(format!("{BOOT_ID} holds no boot id: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_leads_to_its_store() {
        let state = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let named = address(&format!("embedded:{}", other.path().display()));
        assert_eq!(
            open(&address("embedded"), Some(state.path())).unwrap().status().unwrap().store,
            "embedded"
        );
        open(&named, Some(state.path())).unwrap().check().unwrap();
        for directory in [state.path(), other.path()] {
            assert!(directory.join("fleet.sqlite").is_file(), "{}", directory.display());
        }
        // Nothing is asked yet.
        open(&address("redis://127.0.0.1:1"), None).unwrap();
        members(&address("unix:/nowhere.sock"), None, None).unwrap();
        members(&address("http://127.0.0.1:1"), None, None).unwrap();
    }

    #[test]
    fn what_is_no_registry_is_refused() {
        for text in ["unix:/run/x.sock", "http://h:1", "embedded"] {
            let said = open(&address(text), None).err().unwrap().to_string();
            assert!(said.starts_with(&format!("`{text}")) && !said.contains('\n'), "{said}");
        }
    }
}
