//! The users of this machine, as far as `/etc/passwd` names them: names for numbers, and where homes are. Who is known
//! to a directory service alone is called by number.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The list of users.
const PASSWD: &str = "/etc/passwd";
/// More of it is not read.
const MAX_PASSWD: u64 = 4 << 20;

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The home directory.
    pub home: PathBuf,
}

/// Everybody in the list; nobody where it cannot be read.
pub(crate) fn all() -> Vec<User> {
    let mut text = Vec::new();
    let read = File::open(PASSWD).and_then(|file| file.take(MAX_PASSWD).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Vec<User> {
    let user = |line: &str| {
        // name:password:uid:gid:comment:home:shell, passwd(5).
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, ..] = fields[..] else { return None };
        let home = Path::new(home);
        (!name.is_empty() && home.is_absolute()).then_some(User {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            home: home.to_owned(),
        })
    };
    text.lines().filter_map(user).collect()
}

/// The number of a user that is given by name or by number.
pub(crate) fn number(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    let found = all().into_iter().find(|user| user.name == text);
    found.map(|user| user.uid).ok_or_else(|| format!("no user named `{text}` in {PASSWD}; use the number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_users_are_left_out() {
        let text = "root:x:0:0:root:/root:/bin/sh\n# no\nana:x:1000:1000:Ana, of Lima:/home/ana:/bin/sh\n\
                    :x:1:1::/:/\nb:x:-1:1::/b:/\nc:x:7:7::relative:/\nd:x\n";
        let names: Vec<_> = parse(text).into_iter().map(|user| (user.name, user.uid, user.home)).collect();
        assert_eq!(
            names,
            [("root".into(), 0, "/root".into()), ("ana".into(), 1000, PathBuf::from("/home/ana"))]
        );
    }

    #[test]
    fn a_number_needs_no_list() {
        assert_eq!(number("4294967294"), Ok(4_294_967_294));
        assert_eq!(number("root"), Ok(0));
        assert!(number("-1").is_err() && number("").is_err());
    }
}
