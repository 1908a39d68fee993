//! Options that hold a secret in some programs and something else in most: `mysql -pX`, `curl -u user:X`. They count
//! only behind the name of such a program.

use std::ops::Range;

use super::is_harmless;

/// How an option holds its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// `-pX`.
    Glued,
    /// `-p X` or `-pX`.
    Argument,
    /// `-u user:X`: what follows the character.
    After(char),
}

struct Rule {
    programs: &'static [&'static str],
    /// A word that must stand between program and option.
    needs: Option<&'static str>,
    options: &'static [&'static str],
    how: How,
}

const RULES: &[Rule] = &[
    Rule {
        programs: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlshow",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
            "7z",
            "7za",
            "7zr",
            "rar",
            "unrar",
        ],
        needs: None,
        options: &["-p"],
        how: How::Glued,
    },
    Rule {
        programs: &[
            "sshpass",
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "cqlsh",
            "rabbitmqadmin",
            "mycli",
        ],
        needs: None,
        options: &["-p"],
        how: How::Argument,
    },
    Rule {
        programs: &["docker", "podman", "helm", "buildah", "skopeo", "crane", "oras", "nerdctl"],
        needs: Some("login"),
        options: &["-p"],
        how: How::Argument,
    },
    Rule {
        programs: &["redis-cli", "valkey-cli", "keydb-cli"],
        needs: None,
        options: &["-a"],
        how: How::Argument,
    },
    Rule {
        programs: &["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldappasswd"],
        needs: None,
        options: &["-w"],
        how: How::Argument,
    },
    Rule {
        programs: &["mosquitto_pub", "mosquitto_sub", "sqlcmd", "bcp", "zip", "unzip", "ipmitool"],
        needs: None,
        options: &["-P"],
        how: How::Argument,
    },
    Rule {
        programs: &["curl"],
        needs: None,
        options: &["-u", "--user", "-U", "--proxy-user"],
        how: How::After(':'),
    },
    Rule {
        programs: &["smbclient", "rpcclient"],
        needs: None,
        options: &["-U", "--user"],
        how: How::After('%'),
    },
];

/// Words of a command that hold a secret, and which part of them does.
pub(super) fn find(words: &[&str]) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    let mut rules: Vec<&Rule> = Vec::new();
    let mut program_at = 0;
    let mut awaited: Option<How> = None;
    for (index, word) in words.iter().enumerate() {
        if let Some(how) = awaited.take() {
            found.extend(secret_in(word, 0, how).map(|range| (index, range)));
            continue;
        }
        if index > 0 && words[index - 1].ends_with(';') {
            rules.clear();
        }
        if matches!(*word, "|" | "||" | "&&" | "&" | ";") {
            rules.clear();
            continue;
        }
        let bare = word.trim_matches(['"', '\'', '`', '(', ';']);
        let program = bare.rsplit('/').next().unwrap_or(bare);
        let known: Vec<&Rule> = RULES.iter().filter(|rule| rule.programs.contains(&program)).collect();
        if !known.is_empty() {
            rules = known;
            program_at = index;
            continue;
        }
        for rule in &rules {
            if rule.needs.is_some_and(|needed| !words[program_at..index].contains(&needed)) {
                continue;
            }
            // The longest option first: `--user` is no `-u`.
            let Some(option) = rule.options.iter().find(|option| word.starts_with(**option)) else {
                continue;
            };
            let rest = &word[option.len()..];
            if rest.is_empty() {
                awaited = (rule.how != How::Glued).then_some(rule.how);
            } else if !option.starts_with("--") || rest.starts_with('=') {
                let at = option.len() + usize::from(rest.starts_with('='));
                found.extend(secret_in(word, at, rule.how).map(|range| (index, range)));
            }
            break;
        }
    }
    found
}

fn secret_in(word: &str, at: usize, how: How) -> Option<Range<usize>> {
    let start = match how {
        How::Glued | How::Argument => at,
        How::After(mark) => at + word[at..].find(mark)? + mark.len_utf8(),
    };
    let value = &word[start..];
    // Words of a shell line keep the quotes around them.
    let inside = value.trim_matches(['"', '\'']);
    let start = start + (value.len() - value.trim_start_matches(['"', '\'']).len());
    (!is_harmless(inside)).then(|| start..start + inside.len())
}
