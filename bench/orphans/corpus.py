#!/usr/bin/env python3
"""Stages what people leave behind and what looks like it, with real processes, and says whether `scupper scan` and
`scupper reap` tell them apart.

    bench/orphans/corpus.py [--only NAME]... [--fast] [--one-by-one] [--install] [--allow-skips] [--json] [--out FILE]
    bench/orphans/corpus.py --list

All situations stand at once, as on a crowded machine, or one by one (--one-by-one), in a pid namespace of their own: nothing else
of this machine is seen or signalled. Exit code 0 when every goal is reached, 1 when one is missed, 2 when it could not be
staged, 3 where no pid namespace can be made. The binary is $SCUPPER, else target/release/scupper. Root stages all of them; an ordinary user stages what he may.
"""

import argparse
import glob
import json
import os
import shutil
import signal
import sys
import tempfile

import install
import machine
import play
import report
import stage

# Each registers its situations.
import left_behind  # noqa: F401
import tool_shells  # noqa: F401
import recorded  # noqa: F401
import browsers  # noqa: F401
import left_alone  # noqa: F401
import unseen  # noqa: F401
import daemons  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this situation (repeatable)")
    parser.add_argument("--fast", action="store_true", help="only those that need no large package: part of the test suite")
    parser.add_argument("--one-by-one", action="store_true", help="each on an otherwise empty machine")
    parser.add_argument("--until", choices=("stage", "scan", "reap"), default="reap", help="how far to go [default: reap]")
    parser.add_argument("--init", default="systemd", metavar="NAME",
                        help="what the first process is called: systemd, as on a host; tini or an application, as in a container")
    parser.add_argument("--list", action="store_true", help="list the situations")
    parser.add_argument("--install", action="store_true", help="install the programs that are missing (Debian, npm)")
    parser.add_argument("--allow-skips", action="store_true", help="what cannot be staged here is no failure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", metavar="FILE", help="write the result there as JSON too")
    parser.add_argument("--keep", action="store_true", help="leave the directory with all answers of scupper")
    return parser.parse_args(arguments)


def chosen(options):
    for name in options.only:
        if name not in stage.situations:
            sys.exit("corpus: there is no situation %s: see --list" % name)
    return [each for each in stage.situations.values()
            if (not options.only or each.name in options.only) and (not options.fast or each.fast)]  # fmt: skip


def scupper_binary():
    path = os.environ.get("SCUPPER") or os.path.join(TARGET, "release", "scupper")
    if not os.access(path, os.X_OK):
        sys.exit("corpus: there is no scupper at %s: cargo build --release, or set SCUPPER" % path)
    return path


def place(scupper):
    """A directory that every user may enter, with copies of the binary and of the programs."""
    # Short, because a Unix socket's path may have 107 bytes.
    directory = tempfile.mkdtemp(prefix="sco-")
    os.chmod(directory, 0o755)
    shutil.copy(scupper, os.path.join(directory, "scupper"))
    os.chmod(os.path.join(directory, "scupper"), 0o755)
    shutil.copytree(os.path.join(HERE, "programs"), os.path.join(directory, "programs"), ignore=shutil.ignore_patterns("__pycache__"))
    for above, _, files in os.walk(os.path.join(directory, "programs")):
        os.chmod(above, 0o755)
        for name in files:
            os.chmod(os.path.join(above, name), 0o644)
    return directory


def remove(directory, keep=False):
    """Everything that was made, or with `keep` only the cgroups, which nobody is in any more."""
    groups = [line for line in stage.read(os.path.join(directory, "cgroups")).splitlines() if line]
    own = next((line[3:] for line in stage.read("/proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    for root in stage.CGROUP_ROOTS:
        for group in glob.glob("%s%s/scupper.*-%s.*" % (root, own.rstrip("/"), play.suffix(directory))):
            groups += [above for above, _, _ in os.walk(group)]  # a unit in a unit has its cgroup below
    for group in sorted(groups, reverse=True):  # those below first
        try:
            os.rmdir(group)
        except OSError:
            pass  # gone already
    if keep:
        print("corpus: everything is in %s" % directory, file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)


def batch(situations, options, scupper):
    """Stages these together in a namespace of their own; answers with the outcomes."""
    directory = place(scupper)
    result = os.path.join(directory, "result.json")

    def inside(requests):
        outcomes = play.play(situations, directory, requests, until=options.until, modules=install.modules(TARGET))
        with open(result, "w") as file:
            json.dump(outcomes, file)
        return 0

    try:
        code = machine.enter(inside, options.init)
        if code != 0:
            raise SystemExit({-signal.SIGKILL: 130}.get(code, code))
        with open(result) as file:
            return json.load(file)
    finally:
        remove(directory, options.keep)


def in_a_child(function, *arguments):
    """Its answer. A namespace can be made only once by each process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        code = 2
        try:
            os.close(read_end)
            machine.end_with_parent(signal.SIGTERM)
            answer = function(*arguments)
            with open(write_end, "w") as file:
                json.dump(answer, file)
            code = 0
        except machine.NoNamespace as problem:
            print("corpus: a pid namespace is needed and cannot be made here: %s" % problem, file=sys.stderr)
            code = machine.NO_NAMESPACE
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(write_end)
    try:
        with open(read_end) as file:
            text = file.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except KeyboardInterrupt:
        os.waitpid(child, 0)
        code = 130
    if code != 0:
        sys.exit(code if code > 0 else 2)
    return json.loads(text)


def main():
    options = options_of(sys.argv[1:])
    situations = chosen(options)
    if options.list:
        for each in situations:
            print("%-12s %-58s %s" % (each.kind, each.name, each.description))
        return 0
    if options.install:
        install.install(situations, TARGET)
    scupper = scupper_binary()
    missing = {each.name: install.missing(each, TARGET) for each in situations}
    ready = [each for each in situations if not missing[each.name]]
    groups = [[each] for each in ready] if options.one_by_one else [ready] if ready else []
    outcomes = []
    for group in groups:
        outcomes += in_a_child(batch, group, options, scupper)
    outcomes += [play.skipped(each, missing[each.name]) for each in situations if missing[each.name]]
    order = {each.name: number for number, each in enumerate(situations)}
    outcomes.sort(key=lambda outcome: order.get(outcome["name"], len(order)))
    if options.until == "stage":
        return report.standing(outcomes)
    result = report.judged(outcomes, options)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(result, file, indent=1)
    print(json.dumps(result) if options.json else report.markdown(result))
    return 0 if result["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
