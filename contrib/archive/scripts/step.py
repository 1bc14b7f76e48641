"""What all steps have in common: a log that ends in `done` or `error: ...`, and a file that says what the step cost."""

import contextlib
import hashlib
import json
import resource
import subprocess
import sys
import time
import traceback


class Failed(Exception):
    """What is wrong with a kernel, for the report: one line."""


@contextlib.contextmanager
def step(snakemake):
    """Runs a step. Standard output and error, those of programs too, go to the step's log. Ends the process with status 1 if the step
    failed, and with {seconds, cpu_seconds, peak_memory in bytes} in the output `cost` if it did not.

    The yielded dictionary is for further figures."""
    began = time.monotonic()
    figures = {}
    with open(snakemake.log[0], "w", encoding="utf-8", buffering=1) as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield figures
        except (Failed, OSError) as error:
            print(f"error: {' '.join(str(error).split())}")
            sys.exit(1)
        except Exception as error:
            traceback.print_exc()
            print(f"error: {type(error).__name__}: {' '.join(str(error).split())}")
            sys.exit(1)
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        figures |= {
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(sum(usage.ru_utime + usage.ru_stime for usage in usages), 2),
            "peak_memory": peak_memory(),
        }
        write_json(snakemake.output.cost, figures)
        print("done")


def peak_memory():
    """Peak resident memory of the largest process, in bytes: this one, or one that it has run.

    What getrusage says of this process itself may be the size of the one that started it, Snakemake."""
    with open("/proc/self/status", encoding="ascii") as status:
        own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


def run(*command, cwd=None, fine=(0,)):
    """Runs a program. Returns its standard output. Failed, with the error that it printed, if its exit status is not one of `fine`."""
    print("$", *(command if len(command) < 20 else [*command[:20], "..."]))
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    except FileNotFoundError:
        raise Failed(f"the program `{command[0]}` is not here") from None
    print(done.stderr, end="")
    if done.returncode not in fine:
        why = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        first = next((line for line in done.stderr.splitlines() if "error" in line), "")
        raise Failed(f"{command[0].rpartition('/')[2]}: {why}: {first or (done.stderr or done.stdout).strip().rpartition(chr(10))[2]}")
    return done.stdout


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path, value, indent=None):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent)
        file.write("\n")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
