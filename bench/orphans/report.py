"""What was found, set against what was staged: figures, goals, a table."""

from stage import LEFT_ALONE, LEFT_BEHIND

FOUND_GOAL = 0.95


def judged(outcomes, options):
    reports = [each for each in outcomes if each["name"] is None]
    rows = [row(each) for each in outcomes if each["name"] is not None]
    all_processes = [each for one in rows for each in one["processes"]]
    left = [each for each in all_processes if each["left_behind"]]
    living = [each for each in all_processes if not each["left_behind"]]
    strangers = [each for report in reports for each in report["strangers"]]
    living_ended = [dict(each, step=step["what"]) for report in reports for step in report["steps"] for each in step["living_ended"]]
    signalled = [each for report in reports for kind in ("living_signalled", "strangers_signalled") for each in report.get(kind, [])]
    behind = [one for one in rows if one["kind"] == LEFT_BEHIND and one["staged"]]
    alone = [one for one in rows if one["kind"] == LEFT_ALONE and one["staged"]]
    certain = [each for each in left if each["certainty"] == "certain"]
    wrongly_certain = [each for each in living if each["certainty"] == "certain"]
    wrongly_certain += [each for each in strangers if each["certainty"] == "certain"]
    figures = {
        "situations": len(rows), "left_behind": len(behind), "left_alone": len(alone),
        "not_staged": [one["name"] for one in rows if not one["staged"]],
        "processes_left_behind": len(left), "processes_found": sum(each["listed"] for each in left),
        "situations_found": sum(one["found"] for one in behind),
        "certain": len(certain) + len(wrongly_certain), "certain_wrong": len(wrongly_certain),
        "living": len(living), "living_listed": sum(bool(each["falsely"]) for each in living), "strangers_listed": len(strangers),
        "living_ended": len(living_ended), "left_after_reap": sum(each["listed"] and not each["ended_by"] for each in left),
    }  # fmt: skip
    reaped = any(step["what"].startswith("reap --yes") for report in reports for step in report["steps"])
    unforeseen = [one["name"] for one in rows if one["not_staged"] and not (one["skipped"] and options.allow_skips)]
    goals = [
        ("every situation was staged", not unforeseen, ", ".join(unforeseen) or "%d of %d" % (len(behind) + len(alone), len(rows))),
        ("no living process ended", not living_ended, "%d of %d" % (len(living_ended), len(living))),
        ("no living process signalled, by the events", not signalled, "%d of %d signals" % (
            len(signalled), sum(report.get("signalled", 0) for report in reports))),
        ("no living process listed as left behind", not figures["living_listed"] and not strangers,
         "%d of %d" % (figures["living_listed"] + len(strangers), len(living))),
        ("zombies are zombies", not any(one.get("zombies_wrong") for one in rows),
         ", ".join(one["name"] for one in rows if one.get("zombies_wrong")) or "yes"),
        ("every `certain` right", not wrongly_certain, "%d wrong of %d" % (len(wrongly_certain), figures["certain"])),
    ]  # fmt: skip
    if behind:
        goals.append(("at least 95 % of the situations found", figures["situations_found"] >= FOUND_GOAL * len(behind),
                      share(figures["situations_found"], len(behind))))
        goals.append(("at least 95 % of the processes found", figures["processes_found"] >= FOUND_GOAL * len(left),
                      share(figures["processes_found"], len(left))))
        recorded = [one for one in behind if one["certain"]]
        if recorded:
            goals.append(("what was recorded is certain", all(one["all_certain"] for one in recorded),
                          share(sum(one["all_certain"] for one in recorded), len(recorded))))
        if reaped:
            goals.append(("whoever was found is gone after reap", not figures["left_after_reap"],
                          "%d are still there" % figures["left_after_reap"]))
            came_up = [each for report in reports for each in report.get("came_up", [])]
            goals.append(("nobody came up anew", not came_up, ", ".join(sorted({each["situation"] for each in came_up})) or "nobody"))
            hasty = [each for each in left if each["certainty"] == "likely" and (each["ended_by"] or "").startswith("reap --yes")
                     and "PID" not in each["ended_by"]]
            goals.append(("no likely one ended unless it was named", not hasty, "%d" % len(hasty)))
    return {
        "schema": "scupper.bench.orphans/1", "figures": figures, "rows": rows, "strangers": strangers, "living_ended": living_ended,
        "living_signalled": signalled,
        "steps": [report["steps"] for report in reports], "reached": all(reached for _, reached, _ in goals),
        "goals": [{"goal": goal, "reached": reached, "seen": seen} for goal, reached, seen in goals],
    }  # fmt: skip


def share(part, whole):
    return "%d of %d, %.1f %%" % (part, whole, 100 * part / whole) if whole else "none"


def row(outcome):
    made = outcome.get("processes") or []
    left = [each for each in made if each["left_behind"]]
    staged = not outcome.get("skipped") and not outcome.get("problem")
    return dict(
        outcome, processes=made, staged=staged, not_staged=not staged, found=bool(left) and all(each["listed"] for each in left),
        all_certain=bool(left) and all(each["certainty"] == "certain" for each in left),
    )  # fmt: skip


def listed(one):
    """How scan lists it, in words."""
    if one.get("skipped"):
        return "skipped: " + one["skipped"]
    if one.get("problem"):
        return "NOT STAGED: " + one["problem"].splitlines()[-1]
    left = [each for each in one["processes"] if each["left_behind"]]
    falsely = [each for each in one["processes"] if each["falsely"]]
    if falsely:
        return "WRONG: %d listed as %s" % (len(falsely), "/".join(sorted({str(each["certainty"]) for each in falsely})))
    if not left:
        return "no"
    count = sum(each["listed"] for each in left)
    words = "/".join(sorted({each["certainty"] for each in left if each["certainty"]})) or "MISSED"
    return words if count == len(left) else "%s, %d of %d" % (words, count, len(left))


def ended(one):
    steps = sorted({each["ended_by"] for each in one["processes"] if each["ended_by"]})
    return ", ".join(steps) or "nobody"


def markdown(result):
    lines = ["| situation | what it is | processes | listed | ended by |", "|---|---|---|---|---|"]
    for kind in (LEFT_BEHIND, LEFT_ALONE):
        lines.append("| **%s** | | | | |" % kind)
        for one in result["rows"]:
            if one["kind"] == kind:
                lines.append("| %s | %s | %d | %s | %s |" % (
                    one["name"], one["description"].replace("|", "\\|"), len(one["processes"]), listed(one), ended(one)))  # fmt: skip
    lines += ["", "| goal | reached | seen |", "|---|---|---|"]
    lines += ["| %s | %s | %s |" % (each["goal"], "yes" if each["reached"] else "**NO**", each["seen"]) for each in result["goals"]]
    for each in result["strangers"]:
        lines.append("\nlisted and not staged: pid %(pid)d, %(certainty)s, seen by %(looker)s: %(command)s" % each)
    for each in result["living_ended"]:
        lines.append("\nENDED A LIVING PROCESS: %(situation)s, %(what)s, pid %(pid)d, by %(step)s" % each)
    return "\n".join(lines)


def standing(outcomes):
    """What was staged, for whoever writes a situation. 1 where something could not be."""
    for each in outcomes:
        print("%s: %s (%s s)" % (each["name"], each.get("skipped") or each.get("problem") or "staged", each.get("seconds")))
        for one in each.get("standing", []):
            print("    %6d %s: %s [%s]" % (one["pid"], "left behind" if one["left_behind"] else "living", one["what"], one["command"]))
    return int(any(each.get("problem") or each.get("skipped") for each in outcomes))
