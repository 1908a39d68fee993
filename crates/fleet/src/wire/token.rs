//! Who somebody is: a secret that is said and compared, and never printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What shows who somebody is. Printed nowhere: its text leaves only with [`Token::reveal`] and as JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(Box<str>);

/// Text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has {SHORTEST} to {LONGEST} characters, of those that a header can carry: A-Z a-z 0-9 - . _ ~ + / ="
)]
pub struct InvalidToken;

const SHORTEST: usize = 32;
const LONGEST: usize = 512;

impl Token {
    /// The text. For a header or a file, never for a log or an error.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        text.parse()
    }
}

impl std::str::FromStr for Token {
    type Err = InvalidToken;

    /// RFC 6750, section 2.1.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        let sound = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(allowed);
        if sound { Ok(Self(text.into())) } else { Err(InvalidToken) }
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0.into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
