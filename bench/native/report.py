"""Writes docs/performance.md, and its plot as SVG."""

import datetime
import re
import shlex
from pathlib import Path
from xml.sax.saxutils import escape

from figures import Figures

DOCS = Path(__file__).resolve().parents[2] / "docs"
COLORS = {"berth": "#1f6feb", "wasmtime": "#8250df", "node": "#3fb950", "wasmedge": "#d29922"}
ROW, BAR, LEFT, WIDTH = 10, 8, 150, 560


def public(words: list[str]) -> list[str]:
    """The command's options without what is only here: paths become their last part."""
    return [re.sub(r"^.*/(?=[^/])", "", word) for i, word in enumerate(words)
            if word not in ("--report", "--berth") and words[i - 1:i] != ["--berth"]] + ["--report"]


def processor_model() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else "unknown processor"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def number(value: float | None) -> str:
    return f"{value:.2f}" if value else ""


def plot(figures: Figures, peers: list[str]) -> str:
    """Bars to the right, a group a program; a line stands where native code's time is."""
    programs = [name for name in figures.programs if (name, "native") in figures.seconds]
    longest = max(ratio for peer in peers for ratio in figures.ratios(peer).values())
    scale = WIDTH / longest
    group = ROW * len(peers) + 8
    height = 40 + group * len(programs) + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>']

    def text(x, y, words, anchor="start", color="black"):
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>')

    for index, peer in enumerate(peers):
        out.append(f'<rect x="{LEFT + index * 90}" y="10" width="10" height="10" fill="{COLORS[peer]}"/>')
        text(LEFT + index * 90 + 14, 19, peer)
    text(LEFT + len(peers) * 90 + 14, 19, "times native clang -O2; shorter is faster")
    for step in range(int(longest) + 1):
        x = LEFT + step * scale
        color = "#cf222e" if step == 1 else "#d0d7de"
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="30" y2="{height - 18}" stroke="{color}"/>')
        text(x, height - 5, str(step), "middle", "#57606a")
    for place, program in enumerate(programs):
        top = 38 + place * group
        text(LEFT - 6, top + group / 2, program, "end")
        for index, peer in enumerate(peers):
            if ratio := figures.ratio(program, peer):
                y = top + index * ROW
                out.append(f'<rect x="{LEFT}" y="{y}" width="{ratio * scale:.1f}" height="{BAR}" '
                           f'fill="{COLORS[peer]}"/>')
                text(LEFT + ratio * scale + 4, y + BAR, f"{ratio:.2f}", color="#57606a")
    return "\n".join([*out, "</svg>", ""])


def against_native(figures: Figures, peers: list[str]) -> str:
    rows = []
    for program in figures.programs:
        if (program, "native") in figures.seconds:
            rows.append([f"{program} ({figures.titles[program]})", f"{figures.seconds[program, 'native']:.3f}"]
                        + [number(figures.ratio(program, peer)) for peer in peers])
    rows.append(["**geometric mean**", ""] + [f"**{number(figures.mean(peer))}**" for peer in peers])
    return table(["program", "native, s"] + peers, rows)


def against_this_processor(figures: Figures, peers: list[str]) -> str:
    programs = figures.ratios("march")
    rows = [[program, f"{figures.seconds[program, 'march']:.3f}"]
            + [number(figures.ratio(program, peer, "march")) for peer in ["native", *peers]]
            for program in programs]
    rows.append(["**geometric mean**", ""]
                + [f"**{number(figures.mean(peer, 'march'))}**" for peer in ["native", *peers]])
    return table(["program", "`-march=native`, s", "plain `-O2`"] + peers, rows)


def without_native(figures: Figures, peers: list[str]) -> str:
    rows = []
    for program in figures.programs:
        if (program, "native") in figures.seconds or (program, "berth") not in figures.seconds:
            continue
        spent = [figures.seconds.get((program, peer)) for peer in peers]
        ratios = [figures.ratio(program, peer, "berth") for peer in peers if peer != "berth"]
        rows.append([f"{program} ({figures.titles[program]})"] + [f"{s:.3f}" if s else "" for s in spent]
                    + [number(ratio) for ratio in ratios])
    header = [f"{peer}, s" for peer in peers] + [f"{peer} / berth" for peer in peers if peer != "berth"]
    return table(["program", *header], rows)


def write(figures: Figures, command: list[str]):
    peers = [name for name in figures.runners if name in COLORS]
    versions = ", ".join(dict.fromkeys(figures.runners.values()))
    parts = [f"""# Performance

Native code of Berth against that of clang, and against other runtimes, on programs in `bench/programs` and
on real ones. This page is written by its command; nothing in it was edited.

    {shlex.join(command)}

{datetime.date.today():%d %B %Y}; {processor_model()}. {versions}.

Times are user time of the processor, the median of {figures.rounds} rounds, in each of which every program ran
under every runner in turn. Everything was compiled beforehand. For native code and Berth the whole process
counts, with its start; for Node.js and wasmtime only what comes after compilation. All agreed on what the
programs compute. Modules are made by the same clang as the native programs, with `-O2` and without vector
instructions; multiplications and additions are not contracted anywhere, so that results are the same. Berth
compiles for the processor that it runs on, as the other runtimes do; plain `-O2` is for any x86-64.

## Against native code

Time as a multiple of what native code of `clang -O2` takes; smaller is faster, 1 is as fast. Means are over the
programs that a runner can run.

{against_native(figures, peers)}
![Each program's time as a multiple of native code's](performance.svg)
"""]
    if figures.ratios("march"):
        parts.append(f"""## Against native code for this very processor

Loops that vectorize, as a multiple of what native code of `clang -O2 -march=native` takes.

{against_this_processor(figures, peers)}""")
    if any((program, "native") not in figures.seconds for program in figures.programs):
        parts.append(f"""## Programs that have no native counterpart

Garbage-collected objects and exceptions, written in WebAssembly's text.

{without_native(figures, peers)}""")
    if figures.compile_times:
        rows = [[name, f"{spent.clock:.1f}", f"{spent.processor:.1f}"]
                for name, spent in figures.compile_times.items()]
        parts.append(f"""## Compiling

SQLite's shell, with two threads, in the first round.

{table(["compiler", "by the clock, s", "processor time, s"], rows)}""")
    if figures.skipped:
        lines = [f"- {program} under {runner}: {reason}\n" for program, runner, reason in figures.skipped]
        parts.append(f"## Skipped\n\n{''.join(lines)}")
    DOCS.joinpath("performance.md").write_text("\n".join(parts))
    DOCS.joinpath("performance.svg").write_text(plot(figures, peers))
