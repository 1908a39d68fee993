"""Debian's Chromium, driven by the scripts that people drive it with."""

import os
import signal

from stage import LEFT_ALONE, LEFT_BEHIND, below, command, pids, situation, state, wait_for


def driven(stage, by):
    """A script with a browser; answers with the script and every process of the browser."""
    profile = stage.path("profile")
    script = stage.start(["node", stage.program("browser.js"), "script", by, "/usr/bin/chromium", profile],
                         env=dict(own_directories(stage), NODE_PATH=stage.user["CORPUS_MODULES"]))  # fmt: skip
    stage.pid("script")
    return script, wait_for("the browser is there", lambda: browser_processes(stage))


def own_directories(stage):
    """A profile and crash reports of its own, which its processes name on their command lines."""
    return {"TMPDIR": stage.directory, "XDG_CONFIG_HOME": stage.path("config"), "XDG_CACHE_HOME": stage.path("cache")}


def browser_processes(stage):
    """Also crash handlers, which fork twice and have no parent: what names this stage, or is below such a one."""
    named = [pid for pid in pids() if "/chrom" in command(pid) and stage.directory in command(pid) and "browser.js" not in command(pid)
             and not command(pid).startswith("bash")]  # fmt: skip
    return sorted({*named, *below(*named)})


def main_process(stage):
    return next(pid for pid in browser_processes(stage) if "--type=" not in command(pid) and "crashpad" not in command(pid))


def crashed(stage, by):
    script, _ = driven(stage, by)
    stage.kill(script)
    stage.reparented(main_process(stage))
    stage.left("the browser", *settled(stage))


def settled(stage):
    """The same processes for a second: a browser starts and ends helpers while it begins, and when it loses its script."""
    seen = []

    def same():
        seen.append(browser_processes(stage))
        return len(seen) > 50 and all(each == seen[-1] for each in seen[-50:]) and seen[-1]

    return wait_for("the browser's processes are the same for a second", same)


@situation(LEFT_BEHIND, needs=["chromium", "node", "puppeteer-core"])
def chromium_of_a_killed_puppeteer_script(stage):
    """Chromium that a Puppeteer script started, which was killed with -9."""
    crashed(stage, "puppeteer")


@situation(LEFT_BEHIND, needs=["chromium", "node", "playwright-core"])
def chromium_of_a_killed_playwright_script(stage):
    """Chromium with a debugging port, started by a script that drove it with Playwright and was killed with -9."""
    crashed(stage, "cdp")


@situation(LEFT_BEHIND, needs=["chromium", "node", "playwright-core"])
def chromium_that_hangs_and_whose_playwright_was_killed(stage):
    """Chromium that Playwright launched, and that hangs: it does not see that the pipe of its script, killed with -9, has closed."""
    script, _ = driven(stage, "playwright")
    steady, browser = settled(stage), main_process(stage)
    os.kill(browser, signal.SIGSTOP)
    wait_for("it hangs", lambda: state(browser) == "T")
    stage.kill(script)
    stage.reparented(browser)
    stage.left("the browser", *steady)


@situation(LEFT_ALONE, needs=["chromium", "node", "puppeteer-core"])
def chromium_of_a_living_puppeteer_script(stage):
    """Chromium that a living Puppeteer script drives, with its crash handler that has no parent."""
    script, _ = driven(stage, "puppeteer")
    stage.live("the script", script.pid)
    stage.live("the browser", *settled(stage))


@situation(LEFT_ALONE, needs=["chromium", "node", "playwright-core"])
def chromium_of_a_living_playwright_script(stage):
    """Chromium that a living Playwright script drives."""
    script, _ = driven(stage, "playwright")
    stage.live("the script", script.pid)
    stage.live("the browser", *settled(stage))


@situation(LEFT_ALONE, needs=["chromium"])
def chromium_that_somebody_looks_at(stage):
    """Chromium started from a terminal's shell that lives, as a person starts it."""
    shell = stage.start(["bash", "-c", "chromium --headless --no-sandbox --disable-gpu --remote-debugging-port=0 --user-data-dir='%s' "
                         "data:text/html,x >log 2>&1; true" % stage.path("profile")], env=own_directories(stage))  # fmt: skip
    wait_for("it listens", lambda: os.path.exists(stage.path("profile/DevToolsActivePort")))
    stage.live("the shell", shell.pid)
    stage.live("the browser", *settled(stage))
