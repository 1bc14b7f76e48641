#!/usr/bin/env python3
"""Which jobs Snakemake ran, by its own logs:
    archive_jobs.py begun|finished LOG...   prints `RULE KERNEL` for each, in order
    archive_jobs.py open LOG                prints how many kernels at most were begun and not packed at a time

In a log a job is announced by its rule, then its fields, `jobid` and `wildcards` among them; when it is done, by its jobid alone."""

import re
import sys


def events(log):
    """Yields (event, rule, kernel) for each job that began or finished. The job of no kernel, `all`, does nothing and is left out."""
    ids, rule, jobid = {}, None, None
    with open(log, encoding="utf-8") as file:
        for line in file:
            if match := re.match(r"(?:local)?rule (\w+):$", line):
                rule, jobid = match[1], None
            elif match := re.match(r"    jobid: (\d+)$", line):
                jobid = match[1]
            elif match := re.match(r"    wildcards: kernel=(\S+)$", line):
                ids[jobid] = (rule, match[1])
                yield ("begun", *ids[jobid])
            elif (match := re.match(r"Finished jobid: (\d+) ", line)) and match[1] in ids:
                yield ("finished", *ids[match[1]])


def most_open(log):
    open_kernels, most = set(), 0
    for event, rule, kernel in events(log):
        open_kernels.add(kernel)
        most = max(most, len(open_kernels))
        if (event, rule) == ("finished", "pack"):
            open_kernels.remove(kernel)
    return most


def main(what, *logs):
    if what == "open" and len(logs) == 1:
        print(most_open(logs[0]))
    elif what in ("begun", "finished") and logs:
        for log in logs:
            for event, rule, kernel in events(log):
                if event == what:
                    print(rule, kernel)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
