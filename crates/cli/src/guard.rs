//! Whether a command line is one of those that own a unit, told without parsing it: the process the user started stays
//! as small as it is, and the engine it starts reports every mistake with the same exit code.

use std::ffi::{OsStr, OsString};

/// Whether the first word of a command line is `run` or `up`, and neither help nor the version is asked for.
pub(crate) fn owns_a_unit(argv: &[OsString]) -> bool {
    let ours = || argv.iter().skip(1).map(OsString::as_os_str).take_while(|&word| word != "--");
    let informs = |word: &OsStr| ["--help", "-h", "--version", "-V"].iter().any(|&flag| word == flag);
    let first = ours().find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    first.is_some_and(|word| word == "run" || word == "up") && !ours().any(informs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_that_own_a_unit_are_guarded() {
        let owns = |line: &str| owns_a_unit(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for yes in
            ["scupper run -- true", "scupper up", "scupper run --nonsense", "scupper run -- tool --help"]
        {
            assert!(owns(yes), "{yes}");
        }
        for no in ["scupper", "scupper ps", "scupper run --help", "scupper --version run", "scupper -- run"] {
            assert!(!owns(no), "{no}");
        }
    }
}
