//! Wrappers: programs that start one child and do nothing but wait for it (`sh -c`, `npx`, `uv run`, `timeout`). Below one,
//! the only child is the service.

use super::base_name;

/// Whether a process is a program that starts one child and waits for it, by the kernel's name for it or its command line.
pub fn is_wrapper(name: &[u8], command: &[Vec<u8>]) -> bool {
    const WRAPPERS: [&[u8]; 22] = [
        b"sh",
        b"bash",
        b"dash",
        b"zsh",
        b"ash",
        b"busybox",
        b"npx",
        b"npm",
        b"pnpm",
        b"yarn",
        b"uv",
        b"uvx",
        b"poetry",
        b"pipenv",
        b"pdm",
        b"hatch",
        b"env",
        b"nice",
        b"timeout",
        b"tini",
        b"dumb-init",
        b"setpriv",
    ];
    let known = |text: &[u8]| WRAPPERS.contains(&base_name(text));
    // `npm exec x` and `npx x` are node programs that rename themselves: "npm exec x".
    known(name)
        || name.starts_with(b"npm ")
        || name.starts_with(b"npx ")
        || command.first().is_some_and(|argument| known(argument))
        || (command.first().is_some_and(|argument| argument.ends_with(b"node"))
            && command.get(1).is_some_and(|argument| known(argument)))
}
