//! Who shows what: the token of this host, the tokens of its agents.
//!
//! The host's opens the API over TCP. It comes from `SCUPPER_TOKEN`, from a file, or is made at the first start: 32 bytes
//! of the kernel's, in hexadecimal, in a file that is this user's alone. An agent's is made from it and from what the
//! agent's registration cannot be guessed without, so that a registration that is sent twice is answered with one token;
//! only its SHA-256 is kept, in the registry, and a coordinator that starts again needs no more. Two are compared by their
//! hashes, in constant time.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use rustix::rand::GetRandomFlags;
use scupper_fleet::wire::{InvalidToken, Token};
use scupper_fleet::{AgentId, Nonce, SecretHash};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::token::{FILE, TokenError, VARIABLE, of_file, of_variable};

/// Characters that show of a place in a list that it was given: nobody gains anything by guessing them.
const PLACE_SIGN: usize = 12;

/// The token of this host, and what is made from it.
#[derive(Clone)]
pub(crate) struct HostToken {
    token: Token,
    hash: SecretHash,
}

/// Where a token came from. Its text is for people; it never holds the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the environment.
    Variable,
    /// From a file that was there.
    Found(PathBuf),
    /// From a file that was made just now.
    Made(PathBuf),
}

impl HostToken {
    /// The one that is given, else that of the state directory, which is made where there is none.
    pub(crate) fn find(
        variable: Option<&str>,
        file: Option<&Path>,
        state: &Path,
    ) -> Result<(Self, Origin), TokenError> {
        if let Some(file) = file {
            return Ok((Self::new(of_file(file)?), Origin::Found(file.to_path_buf())));
        }
        if let Some(text) = variable {
            return Ok((Self::new(of_variable(text)?), Origin::Variable));
        }
        let file = state.join(FILE);
        if file.symlink_metadata().is_err() && make(state, &file)? {
            return Ok((Self::new(of_file(&file)?), Origin::Made(file)));
        }
        Ok((Self::new(of_file(&file)?), Origin::Found(file)))
    }

    pub(super) fn new(token: Token) -> Self {
        let hash = hash_of(token.reveal());
        Self { token, hash }
    }

    /// Whether this is it.
    pub(super) fn is(&self, shown: &SecretHash) -> bool {
        same(&self.hash, shown)
    }

    /// What an agent is given; the same for every retry of one registration.
    pub(super) fn of_agent(&self, id: &AgentId, nonce: &Nonce) -> Result<Token, InvalidToken> {
        self.signed(&["scupper agent", id.as_str(), nonce.as_str()]).ok_or(InvalidToken)?.parse()
    }

    /// A place in a list as it is given away: with what shows that it was given.
    pub(super) fn given(&self, place: &str) -> Option<String> {
        let sign = self.signed(&["scupper place", place])?;
        Some(format!("{place}.{}", sign.get(..PLACE_SIGN)?))
    }

    /// The place, where that is what was given.
    pub(super) fn place<'t>(&self, given: &'t str) -> Option<&'t str> {
        let (place, _) = given.rsplit_once('.')?;
        let right = self.given(place)?;
        bool::from(right.as_bytes().ct_eq(given.as_bytes())).then_some(place)
    }

    /// No part has a NUL: what is signed can be read in one way only.
    fn signed(&self, parts: &[&str]) -> Option<String> {
        // Keys of any length are taken.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.token.reveal().as_bytes()).ok()?;
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        Some(hexadecimal(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for HostToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostToken(..)")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str(VARIABLE),
            Self::Found(file) | Self::Made(file) => file.display().fmt(f),
        }
    }
}

/// What is kept of a token.
pub(super) fn hash_of(token: &str) -> SecretHash {
    SecretHash(Sha256::digest(token.as_bytes()).into())
}

/// Whether two are one, in a time that says nothing of them.
pub(super) fn same(one: &SecretHash, other: &SecretHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// Something that nobody can guess.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        filled += rustix::rand::getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes the file; `false` where somebody else was faster.
fn make(directory: &Path, path: &Path) -> Result<bool, TokenError> {
    let failed = |error: io::Error| TokenError::Make(directory.to_path_buf(), error);
    if !directory.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    }
    // 0600 from its first moment, and there only when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    writeln!(file, "{}", random().map_err(failed)?).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
            Ok(true)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_first_start_makes_a_token_that_is_its_owners_alone_and_the_second_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state/scupper");
        let (made, origin) = HostToken::find(None, None, &state).unwrap();
        let file = state.join("token");
        assert_eq!(origin, Origin::Made(file.clone()));
        assert_eq!((mode(&file), mode(&state)), (0o600, 0o700));
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.trim().len(), 64);
        let (found, origin) = HostToken::find(None, None, &state).unwrap();
        assert_eq!(origin, Origin::Found(file.clone()));
        assert!(found.is(&made.hash) && found.is(&hash_of(text.trim())));
        assert!(!format!("{made:?} {origin} {:?}", made.hash).contains(text.trim()));
        assert_ne!(random().unwrap(), random().unwrap());
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused_without_repeating_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("given");
        let secret = "s".repeat(40);
        fs::write(&file, format!("{secret}\n")).unwrap();
        for (mode, sound) in [(0o644, false), (0o640, false), (0o604, false), (0o600, true), (0o400, true)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let found = HostToken::find(None, Some(&file), dir.path());
            assert_eq!(found.is_ok(), sound, "{mode:o}");
            if let Err(error) = found {
                assert!(error.to_string().contains("chmod 600") && !error.to_string().contains(&secret));
            }
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "short", &"x".repeat(600), &"x".repeat(4096), &"a b".repeat(30)] {
            fs::write(&file, text).unwrap();
            let error = HostToken::find(None, Some(&file), dir.path()).unwrap_err();
            assert!(text.is_empty() || !format!("{error:?} {error}").contains(text));
        }
        assert!(matches!(
            HostToken::find(Some("short"), None, dir.path()),
            Err(TokenError::Variable(InvalidToken))
        ));
        let (given, origin) = HostToken::find(Some(&secret), None, dir.path()).unwrap();
        assert!(given.is(&hash_of(&secret)) && origin == Origin::Variable);
        assert!(HostToken::find(None, Some(&dir.path().join("none")), dir.path()).is_err());
        assert!(HostToken::find(None, Some(dir.path()), dir.path()).is_err());
    }

    #[test]
    fn an_agents_token_is_its_own_and_the_same_for_a_retry() {
        let host = HostToken::new("h".repeat(64).parse().unwrap());
        let other = HostToken::new("i".repeat(64).parse().unwrap());
        let of = |host: &HostToken, id: &str, nonce: &str| {
            host.of_agent(&id.parse().unwrap(), &nonce.parse().unwrap()).unwrap()
        };
        let token = of(&host, "a", "n");
        assert_eq!(token, of(&host, "a", "n"));
        for another in [of(&host, "a", "m"), of(&host, "an", "n"), of(&host, "b", "n"), of(&other, "a", "n")]
        {
            assert_ne!(token, another);
        }
        assert!(!host.is(&hash_of(token.reveal())));
    }
}
