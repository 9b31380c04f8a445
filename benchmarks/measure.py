#!/usr/bin/env python3
"""Measures Strata beside QEMU TCG and the bare host, by the host's clock, and prints a Markdown table.

guestbench runs natively and as the init of Debian's cloud kernel under each engine, by turns, so that a change of the host's
load meets all of them; then each boots Debian, runs one command and powers off. Figures are medians. A ratio is the other's
time over Strata's translator's (the interpreter's if that alone is measured): above 1 Strata is faster."""
import argparse
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

import table
from boots import ENGINES, BenchError, Machines, number, start

DONE = "GUESTBENCH DONE"


def parse():
    parser = argparse.ArgumentParser(prog="./build.sh bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default=",".join(ENGINES), metavar="LIST", help=f"what to measure, of {', '.join(ENGINES)} (default: all)")
    parser.add_argument("--only", default="", metavar="TESTS", help="guestbench's tests to run, such as int,crc,pipe (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each engine; the interpreter gets two fifths (default: 5)")
    parser.add_argument("--scale", type=int, default=5, help="work of a test; the interpreter gets a fifth, as figures are per operation (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run at scale 1: to see that everything works")
    parser.add_argument("--memory", type=int, default=512, metavar="MIB", help="guest memory (default: 512)")
    parser.add_argument("--limit", type=int, default=900, metavar="S", help="longest time of one run (default: 900)")
    parser.add_argument("--update", metavar="FILE", help=f"put the table between {table.BEGIN} and {table.END} of a file as well")
    parser.add_argument("--strata", default="./strata", help="command to measure (default: ./strata)")
    parser.add_argument("--guestbench", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--image", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.runs = options.scale = 1
    options.engines = [engine for engine in ENGINES if engine in options.engine.split(",")]
    unknown = set(options.engine.split(",")) - set(ENGINES)
    unknown_tests = set(filter(None, options.only.split(","))) - set(table.NAMES)
    if unknown or unknown_tests or options.runs < 1 or options.scale < 1:
        parser.error(f"there is no {', '.join(sorted(unknown | unknown_tests))}" if unknown or unknown_tests else "--runs and --scale are at least 1")
    return options


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def check_host(options):
    if "tcg" in options.engines and not shutil.which("qemu-system-x86_64"):
        raise BenchError("qemu-system-x86_64 is missing: apt-get install qemu-system-x86, or leave it out with --engine native,translator,interpreter")
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # to read the lines when they come
    except PermissionError:
        pass
    load, processors = os.getloadavg()[0], os.cpu_count()
    if load > 0.3 * processors:
        say(f"the host is busy (load {load:.1f} on {processors} processors): the figures will be worse than they should be, and noisy")


def share(engine, options):
    """Runs and scale of an engine."""
    if engine != "interpreter":
        return options.runs, options.scale
    return max(1, round(options.runs * 0.4)), max(1, options.scale // 5)


def measure_tests(machines, options):
    samples = {engine: [] for engine in options.engines}
    for turn in range(options.runs):
        for engine in options.engines:
            runs, scale = share(engine, options)
            if turn < runs:
                command = machines.guest_tests(engine, scale, options.only)
                samples[engine].append(start(command, options.limit, until=DONE, own_clock=engine == "native"))
                say(f"guestbench, run {turn + 1} of {runs}, {engine}")
    return samples


def measure_commands(machines, options):
    samples = {engine: [] for engine in options.engines if engine != "native"}
    for turn in range(options.runs):
        for engine, taken in samples.items():
            if turn < share(engine, options)[0]:
                taken.append(start(machines.one_command(engine), options.limit))
                say(f"one command, run {turn + 1} of {share(engine, options)[0]}, {engine}: {taken[-1].whole:.2f} s")
    return samples


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def medians(samples, pick):
    return {engine: median(pick(sample) for sample in taken) for engine, taken in samples.items()}


def stat(samples, engine, pattern):
    return median(number(sample.lines, pattern) for sample in samples.get(engine, []))


def render(tests, commands, options):
    of = "translator" if "translator" in options.engines else "interpreter"
    lines = [table.header("ns per operation")]
    for test, name in table.NAMES.items():
        values = medians(tests, lambda sample, test=test: sample.nanoseconds.get(test))
        if any(value is not None for value in values.values()):
            lines.append(table.row(name, values, of))
    boot = medians({engine: taken for engine, taken in tests.items() if engine != "native"}, lambda sample: sample.boot)
    peak = medians({engine: taken for engine, taken in tests.items() if engine != "native"}, lambda sample: sample.peak)
    first = {engine: stat(commands, engine, r"first guest instruction after (\d+) ms") for engine in commands}
    lines += ["", table.header("whole machine"),
              table.row("boot to init, s", boot, of),
              table.row("boot, one command, power off, s", medians(commands, lambda sample: sample.whole), of),
              table.row("start to first guest instruction, ms", first, of),
              table.row("most memory resident during guestbench, MiB", peak, of)]
    lines += ["", *engine_lines(commands), *host_lines(options)]
    return "\n".join(lines)


def engine_lines(commands):
    """What the engines say about themselves in the run of one command."""
    mips = stat(commands, "interpreter", r"([\d.]+) MIPS")
    if mips:
        yield f"The interpreter executes {mips:.0f} million guest instructions a second from start to power-off."
    blocks, kib, ms = (stat(commands, "translator", pattern) for pattern in (r"(\d+) blocks from", r"blocks from (\d+) KiB", r"KiB in (\d+) ms"))
    if ms:
        yield (f"The translator translates {blocks * 1000 / ms:,.0f} blocks or {kib * 1000 / ms / 1024:.1f} MiB of guest code a second; "
               f"booting takes {blocks:,.0f} blocks and {ms:.0f} ms.")


def host_lines(options):
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("model name")), "unknown")
    qemu = ""
    if "tcg" in options.engines:
        version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
        qemu = ", " + version.splitlines()[0].replace(" emulator version", "").split(" (")[0]
    yield (f"Host: {model}, {os.cpu_count()} processors, Linux {platform.release()}{qemu}. Guest: Debian's cloud kernel, one processor, {options.memory} MiB. "
           f"Medians of {options.runs} run{'s' * (options.runs > 1)} at scale {options.scale} (interpreter: {share('interpreter', options)[0]} at {share('interpreter', options)[1]}).")


def main():
    options = parse()
    check_host(options)
    machines = Machines(options.strata, f"{options.image}/vmlinuz", f"{options.image}/initrd", options.guestbench, options.memory)
    text = render(measure_tests(machines, options), measure_commands(machines, options), options)
    print(text)
    if options.update:
        path = pathlib.Path(options.update)
        path.write_text(table.replace_between_marks(path.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (BenchError, ValueError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
