#!/usr/bin/env python3
"""Tables and plots from what bench.py measured.  (plain Python)

    bench_report.py BENCH.json                    the tables as text
    bench_report.py BENCH.json --plots DIR        and the plots
    bench_report.py BENCH.json --docs ROOT        docs/performance.md and README.md between their markers, docs/bench-*.svg

Ratios say how many times as much the fastest peer takes as btfgen, each at the -j at which it is fastest. If both ran equally often
a ratio is the median of the rounds' ratios, since what disturbs a round disturbs both; else it is that of the medians.
"""

import argparse
import json
import math
import os
import statistics
import sys

# What the rows should reach: least ratio of wall time, least ratio of peak memory.
TARGETS = {
    "vmlinux": (10, 2), "xfs": (15, 2), "mlx5_core": (10, 2), "btrfs": (10, 2), "vsock_loopback": (10, 2), "each": (10, None),
    "modules": (25, None), "kbuild": (10, None),
}
# btfgen may take at most so many times as long as the bare walk.
WALK_LIMIT = 2.5
# Rows whose peers are those of another row, since no peer can do that at all.
PEERS_OF = {"modules": "each"}
# Rounds from which on medians are worth quoting.
ENOUGH_ROUNDS = 5
IN_README = ["vmlinux", "xfs", "mlx5_core", "btrfs", "vsock_loopback", "each", "modules", "amd64", "kbuild"]
WALL, CPU, PEAK = range(3)


def median(config, what):
    return statistics.median(sample[what] for sample in config["samples"])


def ratio(theirs, ours, what):
    """(theirs / ours, least and largest of the rounds or None)"""
    if len(theirs["samples"]) == len(ours["samples"]) > 1:
        all_ratios = [a[what] / b[what] for a, b in zip(theirs["samples"], ours["samples"])]
        return statistics.median(all_ratios), min(all_ratios), max(all_ratios)
    return median(theirs, what) / median(ours, what), None, None


def fastest(configs):
    """Of those with -j1 and -j2, which are what the rows are about."""
    return min([config for config in configs if config["jobs"] <= 2], key=lambda config: median(config, WALL), default=None)


class Row:
    def __init__(self, data, rows):
        self.name, self.title, self.bytes, self.configs = data["row"], data["title"], data["bytes"], data["configs"]
        peers_of = next((row for row in rows if row["row"] == PEERS_OF.get(self.name)), data)
        self.ours = fastest([config for config in self.configs if config["tool"] == "btfgen"])
        self.peer = fastest([config for config in peers_of["configs"] if config["tool"].startswith("pahole")])
        self.target, self.memory_target = TARGETS.get(self.name, (None, None))

    def ratio(self, what):
        return ratio(self.peer, self.ours, what)

    def walks(self):
        """[(configuration of the bare walk, how many times as long btfgen takes)]"""
        return [(config, ratio(self.ours, config, WALL)) for config in self.configs if config["tool"].startswith("walk")]

    def verdicts(self):
        """[(text of the target, met)]"""
        found = []
        for walk, value in self.walks():
            found.append((f"{walk['tool']}: at most {WALK_LIMIT}", value[0] <= WALK_LIMIT))
        if self.target and self.peer:
            found.append((f"time {self.target}", self.ratio(WALL)[0] >= self.target))
        if self.memory_target and self.peer:
            found.append((f"memory {self.memory_target}", self.ratio(PEAK)[0] >= self.memory_target))
        return found


# --- text -----------------------------------------------------------------------------------------------------------


def seconds(value):
    if value < 0.1995:
        return f"{value * 1000:.3g} ms" if value >= 0.1 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"


def megabytes(value):
    return f"{value / 1e6:,.0f} MB" if value >= 9.5e6 else f"{value / 1e6:.2g} MB"


def mebibytes(kib):
    return f"{kib / 1024:,.0f} MiB" if kib >= 10240 else f"{kib / 1024:.1f} MiB"


def times(value):
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def spread(found, strong=""):
    value, least, most = found
    return strong + times(value) + strong + (f" ({times(least)} to {times(most)})" if least is not None else "")


def how(config):
    words = [f"-j{config['jobs']}"]
    if config["at_once"] > 1:
        words.append(f"{config['at_once']} processes at a time")
    if config["base"] != "own":
        words.append(f"base of {config['base']}")
    return ", ".join(words)


def cell(config):
    return f"{seconds(median(config, WALL))} ({how(config)})"


def table(head, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def verdict_cell(verdicts):
    return ", ".join(f"{text}: {'met' if met else '**not met**'}" for text, met in verdicts) or "–"


def main_table(rows):
    lines = []
    for row in rows:
        if row.name in ("walk", "sizes"):
            continue
        title = f"{row.title} ({megabytes(row.bytes)})"
        if row.peer:
            lines.append([title, cell(row.ours), f"{row.peer['tool']}: {cell(row.peer)}", spread(row.ratio(WALL), "**"),
                          times(row.ratio(CPU)[0]), times(row.ratio(PEAK)[0]), verdict_cell(row.verdicts())])
        else:
            lines.append([title, cell(row.ours), "not run", "–", "–", "–", "–"])
    return table(["input (`.debug_info`)", "btfgen", "fastest peer", "wall time ×", "CPU time ×", "peak memory ×", "target"], lines)


def walk_table(rows):
    row = next((row for row in rows if row.name == "walk"), None)
    if not row:
        return ""
    lines = [["btfgen", seconds(median(row.ours, WALL)), seconds(median(row.ours, CPU)), "", ""]]
    for config, found in row.walks():
        verdict = verdict_cell([(f"at most {WALK_LIMIT}", found[0] <= WALK_LIMIT)])
        lines.append([config["tool"], seconds(median(config, WALL)), seconds(median(config, CPU)), spread(found), verdict])
    return table(["vmlinux, -j2", "wall time", "CPU time", "btfgen takes ×", "target"], lines)


def all_table(rows):
    lines = []
    for row in rows:
        for number, config in enumerate(row.configs):
            walls = [sample[WALL] for sample in config["samples"]]
            title = "" if number else f"{row.title} ({megabytes(row.bytes)})"
            range_ = f"{seconds(min(walls))} to {seconds(max(walls))}" if len(walls) > 1 else ""
            lines.append([title, config["tool"], how(config), seconds(median(config, WALL)), range_, seconds(median(config, CPU)),
                          mebibytes(median(config, PEAK)), str(len(walls))])
    return table(["input", "tool", "how", "wall time", "from, to", "CPU time", "peak memory", "runs"], lines)


def circumstances(data):
    machine, kernel = data["machine"], data["kernel"]
    peers = ", ".join(f"{tool} (Debian {suite})" for tool, suite in data["peers"].items())
    text = [
        f"{data['btfgen']}; {peers}.",
        f"Input: Debian's kernel {kernel['release']}, package version {kernel['package']} ({kernel['suite']}).",
        f"Machine: {'virtual, ' if machine['virtual'] else ''}{machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory'] / 2**30:.0f} GiB, Linux {machine['linux']}; {data['date']}.",
    ]
    if machine["load"] >= 0.5:
        text.append(f"The machine had other work too (load {machine['load']} at the start): only the ratios mean something.")
    if not data["complete"]:
        rows = ", ".join(dict.fromkeys(row["row"] for row in data["rows"]))
        text.insert(0, f"Not all rows were run, only {rows}; {data['rounds']} rounds.{warning(data)}")
    return "\n".join(text)


def warning(data):
    """What to say of figures that are medians of hardly anything."""
    return " **These are too few to go by.**" if data["rounds"] < ENOUGH_ROUNDS else ""


def performance(data, rows, plots=""):
    parts = [
        circumstances(data),
        "How many times as much the fastest peer takes as btfgen (×; in brackets: least and largest of the rounds):",
        main_table(rows),
    ]
    if walk_table(rows):
        parts += ["What reading alone takes: a pass over all DIEs with gimli's raw entry reader that does nothing with them "
                  "(`dwarf/examples/bare_walk.rs`):", walk_table(rows)]
    if plots:
        parts.append(plots)
    parts.append(f"<details><summary>All that was measured (medians)</summary>\n\n{all_table(rows)}\n\n</details>")
    return "\n\n".join(parts)


def readme(data, rows):
    lines = []
    for row in rows:
        if row.name in IN_README and row.peer:
            lines.append([row.title, seconds(median(row.ours, WALL)), f"{seconds(median(row.peer, WALL))} ({row.peer['tool']})",
                          times(row.ratio(WALL)[0]), times(row.ratio(CPU)[0])])
    mark = "\n\n" + warning(data).strip() if warning(data) else ""
    head = [f"{data['machine']['cores']} cores", "btfgen", "fastest peer", "times as fast", "CPU time ×"]
    return table(head, lines) + mark


def between_markers(path, text):
    begin, end = "<!-- bench: written by `make bench` -->\n", "<!-- bench: end -->\n"
    with open(path, encoding="utf-8") as file:
        old = file.read()
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise SystemExit(f"bench_report: {path} must have one line `{begin.strip()}` and after it one `{end.strip()}`")
    with open(path, "w", encoding="utf-8") as out:
        out.write(old[:old.index(begin)] + begin + "\n" + text + "\n\n" + old[old.index(end):])


# --- plots ----------------------------------------------------------------------------------------------------------

STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 13px; fill: #3d4450 }
.paper { fill: #ffffff }
.title { font-size: 16px; font-weight: 600; fill: #14181f } .small { font-size: 11.5px; fill: #5b6472 }
.grid { stroke: #e3e6eb; stroke-width: 1 } .axis { stroke: #9aa3af; stroke-width: 1 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
.s0 { stroke: #1d5fd1 } .s1 { stroke: #c4500b } .s2 { stroke: #7a3fa8 } .f0 { fill: #1d5fd1 } .f1 { fill: #c4500b } .f2 { fill: #7a3fa8 }
.mark { stroke: #ffffff; stroke-width: 1.5 } .value { font-weight: 600 }
@media (prefers-color-scheme: dark) {
 text { fill: #c3cad5 } .paper { fill: #12161c } .title { fill: #f0f3f7 } .small { fill: #98a2b1 }
 .grid { stroke: #2a313b } .axis { stroke: #5d6774 }
 .s0 { stroke: #6aa5ff } .s1 { stroke: #ff9d57 } .s2 { stroke: #c79bf2 } .f0 { fill: #6aa5ff } .f1 { fill: #ff9d57 } .f2 { fill: #c79bf2 }
 .mark { stroke: #12161c }
}
"""


class Plot:
    """An SVG of axes, lines and text; x and y are functions from values to places."""

    def __init__(self, width, height, title, subtitle):
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = 84, width - 24, 84, height - 58
        self.parts = [f'<rect class="paper" width="{width}" height="{height}" rx="6"/>']
        self.text(24, 32, title, "title")
        self.text(24, 53, subtitle, "small")

    def add(self, part):
        self.parts.append(part)

    def text(self, x, y, text, kind="", anchor="start", turn=0):
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{turned}>{text}</text>')

    def segment(self, x1, y1, x2, y2, kind):
        self.add(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def mark(self, series, x, y):
        shape = [
            f'<circle class="mark f0" cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
            f'<rect class="mark f1" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>',
            f'<path class="mark f2" d="M{x:.1f} {y - 6:.1f}l5.8 10.4h-11.6z"/>',
        ]
        self.add(shape[series])

    def lines(self, series, points):
        self.add(f'<polyline class="line s{series}" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
        for x, y in points:
            self.mark(series, x, y)

    def legend(self, names):
        x = self.left
        for series, name in enumerate(names):
            self.segment(x, 72, x + 26, 72, f"line s{series}")
            self.mark(series, x + 13, 72)
            self.text(x + 33, 76.5, name)
            x += 54 + 7.6 * len(name)

    def axes(self, x_label, y_label):
        self.segment(self.left, self.bottom, self.right, self.bottom, "axis")
        self.text((self.left + self.right) / 2, self.height - 14, x_label, "", "middle")
        self.text(20, (self.top + self.bottom) / 2, y_label, "", "middle", -90)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as out:
            out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                      f'height="{self.height}" role="img">\n<style>{STYLE}</style>\n' + "\n".join(self.parts) + "\n</svg>\n")


TOOLS = ["btfgen", "pahole 1.32", "pahole 1.30"]


def titles(data, title):
    return title + ("" if data["complete"] else " (not a complete run)"), subtitle(data)


def subtitle(data):
    machine = data["machine"]
    return (f"Debian's kernel {data['kernel']['release']}; medians, whole processes; "
            f"{machine['cores']} cores of {machine['cpu'].split(' (')[0]}")


def size_plot(data, rows, path):
    """Time against size, both logarithmic."""
    singles = [row for row in rows if row.name in ("sizes", "vmlinux", "xfs", "mlx5_core", "btrfs", "vsock_loopback")]
    singles.sort(key=lambda row: row.bytes)
    points = {tool: [] for tool in TOOLS}
    for row in singles:
        for config in row.configs:
            if config["jobs"] == 2 and config["tool"] in points:
                points[config["tool"]].append((row.bytes, median(config, WALL)))
    values = [y for found in points.values() for _, y in found]
    if len(singles) < 2 or not values:
        return False
    plot = Plot(820, 500, *titles(data, "Time to encode one file, against its size"))
    low_x, high_x = math.log10(singles[0].bytes) - 0.12, math.log10(singles[-1].bytes) + 0.12
    # Room for the names of the files below the lowest line.
    low_y, high_y = math.log10(min(values)) - 0.75, math.log10(max(values)) + 0.15
    x = lambda value: plot.left + (math.log10(value) - low_x) / (high_x - low_x) * (plot.right - plot.left)
    y = lambda value: plot.bottom - (math.log10(value) - low_y) / (high_y - low_y) * (plot.bottom - plot.top - 12)
    for power in range(math.floor(low_x), math.ceil(high_x) + 1):
        for step in (1, 2, 5):
            value = step * 10.0 ** power
            if low_x <= math.log10(value) <= high_x:
                plot.segment(x(value), plot.top, x(value), plot.bottom, "grid")
                plot.text(x(value), plot.bottom + 18, f"{value / 1e6:g}", "small", "middle")
    for power in range(math.floor(low_y), math.ceil(high_y) + 1):
        for step in (1, 3):
            value = step * 10.0 ** power
            if low_y <= math.log10(value) <= high_y:
                plot.segment(plot.left, y(value), plot.right, y(value), "grid")
                plot.text(plot.left - 8, y(value) + 4, f"{value * 1000:g} ms" if value < 1 else f"{value:g} s", "small", "end")
    plot.axes(".debug_info, MB (10⁶ bytes; logarithmic)", "wall time (logarithmic)")
    plot.legend([f"{tool} -j2" for tool in TOOLS])
    for series, tool in reversed(list(enumerate(TOOLS))):
        plot.lines(series, [(x(a), y(b)) for a, b in points[tool]])
    # A name under each point of the lowest line; files of about the same size share a place.
    ours, groups = dict(points["btfgen"]), []
    for row in singles:
        if groups and x(row.bytes) - groups[-1][0] < 13:
            groups[-1][1].append(row.title)
            groups[-1][2] = max(groups[-1][2], y(ours[row.bytes]))
        else:
            groups.append([x(row.bytes), [row.title], y(ours[row.bytes])])
    for at, names, lowest in groups:
        plot.text(at + 4, lowest + 15, ", ".join(name.removesuffix(".ko") for name in names), "small", "end", -38)
    plot.write(path)
    return True


def threads_plot(data, rows, path):
    row = next((row for row in rows if row.name == "vmlinux"), None)
    if not row:
        return False
    points = {tool: sorted((config["jobs"], median(config, WALL)) for config in row.configs if config["tool"] == tool) for tool in TOOLS}
    jobs = sorted({j for found in points.values() for j, _ in found})
    most = max(y for found in points.values() for _, y in found)
    step = next(s for s in [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000] if most / s <= 8)
    top = math.ceil(most * 1.04 / step) * step
    plot = Plot(720, 440, *titles(data, "Time to encode vmlinux, against -j"))
    step_x = (plot.right - plot.left - 120) / max(math.log2(jobs[-1] / jobs[0]), 1)
    x = lambda value: plot.left + 60 + math.log2(value / jobs[0]) * step_x
    y = lambda value: plot.bottom - value / top * (plot.bottom - plot.top - 12)
    for tick in range(round(top / step) + 1):
        plot.segment(plot.left, y(tick * step), plot.right, y(tick * step), "grid")
        plot.text(plot.left - 8, y(tick * step) + 4, f"{tick * step:g} s", "small", "end")
    for value in jobs:
        beyond = " (more than cores)" if value > data["machine"]["cores"] else ""
        plot.text(x(value), plot.bottom + 18, f"-j{value}{beyond}", "small", "middle")
    plot.axes("threads", "wall time")
    plot.legend(TOOLS)
    for series, tool in reversed(list(enumerate(TOOLS))):
        plot.lines(series, [(x(a), y(b)) for a, b in points[tool]])
    for value in jobs:
        # Values above the higher and below the lower of two points that are close.
        found = sorted((dict(points[tool])[value], series) for series, tool in enumerate(TOOLS) if value in dict(points[tool]))
        for rank, (seconds_, series) in enumerate(found):
            below = rank + 1 < len(found) and y(seconds_) - y(found[rank + 1][0]) < 34 and y(seconds_) < plot.bottom - 30
            plot.text(x(value), y(seconds_) + (21 if below else -11), f"{seconds_:.2f}", f"value f{series}", "middle")
    plot.write(path)
    return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("samples", metavar="BENCH.json")
    parser.add_argument("--plots", metavar="DIR")
    parser.add_argument("--docs", metavar="ROOT")
    args = parser.parse_args()
    with open(args.samples, encoding="utf-8") as file:
        data = json.load(file)
    rows = [Row(row, data["rows"]) for row in data["rows"]]
    folder = os.path.join(args.docs, "docs") if args.docs else args.plots
    plots = []
    for name, draw, alt in [("bench-size.svg", size_plot, "Time to encode one file, against its size"),
                            ("bench-threads.svg", threads_plot, "Time to encode vmlinux, against -j")]:
        if folder and draw(data, rows, os.path.join(folder, name)):
            plots.append(f"![{alt}]({name})")
    if args.docs:
        between_markers(os.path.join(folder, "performance.md"), performance(data, rows, "\n\n".join(plots)))
        between_markers(os.path.join(args.docs, "README.md"), readme(data, rows))
    print(performance(data, rows))
    verdicts = [met for row in rows for _, met in row.verdicts()]
    print(f"\ntargets: {sum(verdicts)} of {len(verdicts)} met")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(main())
