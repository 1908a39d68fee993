//! Browsers: how the processes of one are told apart from whoever started it.
//!
//! A browser is one process that the caller started and five to thirty that it started itself: zygotes, a GPU process,
//! network and storage services, and one renderer for some tabs. To count browsers is to count the first; to size one is
//! to add up all of them.
//!
//! Sources:
//! * Chromium's switch `--type=` names the kind of a child (`content/public/common/content_switches.h`, `kProcessType`); the
//!   first process has none. A child that a zygote forked writes its whole command line into its first argument
//!   (`base/process/set_process_title_linux.cc`). `chrome_crashpad_handler` is a program of its own that is forked twice and
//!   so loses its parent (`third_party/crashpad/crashpad/client/crashpad_client_linux.cc`). Debian's `/usr/bin/chromium` is a
//!   shell script that executes `/usr/lib/chromium/chromium` at its end. Seen with Debian's chromium 156 `--headless`:
//!   two zygotes, `gpu-process`, `utility` twice or more, renderers.
//! * Playwright and Puppeteer start `chrome`, `chrome-headless-shell` or `headless_shell` of a folder of their own.
//! * Firefox's children have `-contentproc` (`ipc/glue/GeckoChildProcessHost.cpp`) and names of their own: `Web Content`,
//!   `Isolated Web Co`, `Socket Process`, `RDD Process` ...; `forkserver` forks them.
//! * `WebKit`: `MiniBrowser` (Playwright's) with `WebKitWebProcess`, `WebKitNetworkProcess` and others that start with `WebKit`
//!   or `WPE` (`Source/WebKit/PlatformGTK.cmake`).
//!
//! Drivers (`chromedriver`, `geckodriver`) are no browsers: they start them.

use std::fmt;

use super::base_name;

/// A family of browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Browser {
    /// Chromium, Chrome and what is built of them.
    Chromium,
    /// Firefox.
    Firefox,
    /// What shows pages with `WebKit`.
    Webkit,
}

impl Browser {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::Webkit => "webkit",
        }
    }
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a process is to its browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The one that somebody started.
    Root,
    /// One that the browser started.
    Child,
}

/// Whether a process is one of a browser's, by the kernel's short name for it and its command line.
///
/// Chromium's children have its name, so a command line that could not be read leaves open what part it is: it is then
/// taken for a child, which is counted with its browser and as none of its own.
pub fn recognise(name: &[u8], command: &[Vec<u8>]) -> Option<(Browser, Part)> {
    let first = command.first().map_or(name, Vec::as_slice);
    // A title that is a whole command line ends where its first switch begins.
    let end = find(first, b" -").unwrap_or(first.len());
    let program = base_name(first.get(..end).unwrap_or_default());
    let switched = |switch: &[u8]| {
        command.iter().skip(1).any(|argument| argument.starts_with(switch))
            || find(first, &[b" ", switch].concat()).is_some()
    };
    if [program, name].contains(&b"chrome_crashpad_handler".as_slice()) || name == b"chrome_crashpad" {
        return Some((Browser::Chromium, Part::Child));
    }
    if CHROMIUM.contains(&program) || (command.is_empty() && CHROMIUM.contains(&name)) {
        let child = command.is_empty() || switched(b"--type=");
        return Some((Browser::Chromium, if child { Part::Child } else { Part::Root }));
    }
    if FIREFOX.contains(&program) {
        let child = switched(b"-contentproc") || switched(b"--contentproc");
        return Some((Browser::Firefox, if child { Part::Child } else { Part::Root }));
    }
    if program == b"MiniBrowser" || program == b"epiphany" {
        return Some((Browser::Webkit, Part::Root));
    }
    let process =
        program.ends_with(b"Process") && [&b"WebKit"[..], b"WPE"].iter().any(|p| program.starts_with(p));
    process.then_some((Browser::Webkit, Part::Child))
}

const CHROMIUM: [&[u8]; 13] = [
    b"chromium",
    b"chromium-browser",
    b"chrome",
    b"google-chrome",
    b"google-chrome-stable",
    b"chrome-headless-shell",
    b"headless_shell",
    b"chrome-wrapper",
    b"msedge",
    b"microsoft-edge",
    b"brave",
    b"brave-browser",
    b"Google Chrome for Testing",
];

const FIREFOX: [&[u8]; 5] = [b"firefox", b"firefox-esr", b"firefox-bin", b"camoufox", b"librewolf"];

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, command: &[&str]) -> Option<(Browser, Part)> {
        let command: Vec<Vec<u8>> = command.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        recognise(name.as_bytes(), &command)
    }

    #[test]
    fn r030_a_browser_is_told_from_its_children() {
        let root = Some((Browser::Chromium, Part::Root));
        let child = Some((Browser::Chromium, Part::Child));
        let debian = "/usr/lib/chromium/chromium";
        assert_eq!(of("chromium", &[debian, "--headless", "--no-sandbox", "about:blank"]), root);
        assert_eq!(of("chromium", &[debian, "--type=zygote", "--no-sandbox"]), child);
        // What a zygote forked shows its command line as one argument.
        assert_eq!(of("chromium", &["/usr/lib/chromium/chromium --type=renderer --lang=en-US"]), child);
        assert_eq!(
            of("headless_shell", &["/root/.cache/ms-playwright/x/headless_shell", "--disable-gpu"]),
            root
        );
        assert_eq!(of("chrome_crashpad", &["/opt/chrome_crashpad_handler", "--monitor-self"]), child);
        assert_eq!(of("chromium", &[]), child, "nobody knows");
        assert_eq!(
            of("firefox-esr", &["/usr/lib/firefox-esr/firefox-esr", "-headless"]),
            Some((Browser::Firefox, Part::Root))
        );
        assert_eq!(
            of("Web Content", &["/usr/lib/firefox/firefox", "-contentproc", "-isForBrowser"]),
            Some((Browser::Firefox, Part::Child))
        );
        assert_eq!(
            of("WebKitWebProces", &["/usr/libexec/WebKitWebProcess", "7"]),
            Some((Browser::Webkit, Part::Child))
        );
    }

    #[test]
    fn what_starts_or_names_a_browser_is_none() {
        for (name, command) in [
            ("chromedriver", &["chromedriver", "--port=1"][..]),
            ("sh", &["/bin/sh", "/usr/bin/chromium", "--headless"]),
            ("grep", &["grep", "--type=renderer", "chrome"]),
            ("python3", &["python3", "/usr/lib/chromium/chromium"]),
            ("node", &["node", "chrome --type=renderer"]),
        ] {
            assert_eq!(of(name, command), None, "{name}");
        }
    }
}
