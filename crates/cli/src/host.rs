//! This host's name, as its agents and its coordinator both say it: what the registry says of a process is about this host
//! only where the names are the same.

use scupper_fleet::HostId;

/// What a host is called that has no name.
const NAMELESS: &str = "localhost";
/// The longest name of a host in a registry.
const LONGEST: usize = 128;

/// The kernel's name of this host; characters that no registry takes are written as `-`.
pub(crate) fn host_id() -> HostId {
    let system = rustix::system::uname();
    named(&system.nodename().to_string_lossy())
}

fn named(text: &str) -> HostId {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let name: String = text.chars().take(LONGEST).map(|c| if allowed(c) { c } else { '-' }).collect();
    let fallback = || HostId::try_from(NAMELESS.to_owned());
    match HostId::try_from(name).or_else(|_| fallback()) {
        Ok(host) => host,
        // The fallback is a name.
        Err(_) => unreachable!("{NAMELESS} is a host id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_host_is_one_in_a_registry() {
        for (name, id) in [("web-1.example", "web-1.example"), ("büro pc*", "b-ro-pc-"), ("", NAMELESS)] {
            assert_eq!(named(name).as_str(), id);
        }
        assert_eq!(named(&"x".repeat(300)).as_str().len(), LONGEST);
    }
}
