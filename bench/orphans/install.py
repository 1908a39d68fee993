"""What situations need, where it is looked for, and what installs it."""

import glob
import os
import shutil
import subprocess
import sys

# Program -> Debian's package.
PACKAGES = {
    "node": "nodejs", "npm": "npm", "npx": "npm", "chromium": "chromium", "redis-server": "redis-server",
    "redis-cli": "redis-tools", "postgres": "postgresql", "tmux": "tmux", "screen": "screen", "dtach": "dtach",
    "ssh-agent": "openssh-client", "gpg-agent": "gpg-agent", "dbus-daemon": "dbus-daemon",
}  # fmt: skip
MODULES = {"puppeteer-core": "puppeteer-core@23", "playwright-core": "playwright-core@1.49"}


def modules(target):
    return os.path.join(target, "test-cache", "orphans", "node_modules")


def there(need, target):
    if need in MODULES:
        return os.path.isdir(os.path.join(modules(target), need))
    if need == "postgres":
        return bool(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))
    return shutil.which(need) is not None


def missing(situation, target):
    """Why it cannot be staged, or nothing."""
    absent = [need for need in situation.needs if not there(need, target)]
    if absent:
        return "not installed: %s" % ", ".join(absent)
    if situation.root and os.getuid() != 0:
        return "needs root"
    return ""


def install(situations, target):
    needs = {need for situation in situations for need in situation.needs if not there(need, target)}
    packages = sorted({PACKAGES[need] for need in needs if need in PACKAGES})
    if packages:
        print("corpus: installing %s" % " ".join(packages), file=sys.stderr)
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        policy = "/usr/sbin/policy-rc.d"  # a package that ships a service would start it
        own_policy = not os.path.exists(policy)
        if own_policy:
            with open(policy, "w") as file:
                file.write("#!/bin/sh\nexit 101\n")
            os.chmod(policy, 0o755)
        try:
            for command in (["update"], ["install", "--no-install-recommends", *packages]):
                subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=True)
        finally:
            if own_policy:
                os.unlink(policy)
    wanted = sorted(MODULES[need] for need in needs if need in MODULES)
    if wanted:
        print("corpus: installing %s" % " ".join(wanted), file=sys.stderr)
        home = os.path.dirname(modules(target))
        os.makedirs(home, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-save", *wanted], cwd=home, stdout=subprocess.DEVNULL, check=True)
