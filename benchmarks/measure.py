#!/usr/bin/env python3
"""Boots guestbench under Strata and under QEMU TCG by turns and compares them by the host's clock.

usage: measure.py KERNEL INITRD [--runs N] [--scale N] [--only TESTS] [--memory MIB] [--strata COMMAND]
A ratio is TCG time / Strata time: above 1 Strata is faster. Each figure is the median of the runs."""
import argparse
import os
import pty
import re
import select
import signal
import statistics
import subprocess
import sys
import time


def run(command, limit):
    """One boot. Returns {test: ns per operation}, seconds to init, peak resident MiB."""
    master, slave = pty.openpty()
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.STDOUT, start_new_session=True)
    os.close(slave)
    pending, begun, results, boot, done = b"", {}, {}, None, False
    while time.monotonic() - start < limit and not done:
        if not select.select([master], [], [], 0.5)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        now = time.monotonic()
        *lines, pending = (pending + data).split(b"\n")
        for raw in lines:
            line = raw.decode("latin1").strip()
            if "GUESTBENCH START" in line:
                boot = now - start
            elif m := re.search(r"BEGIN (\w+)$", line):
                begun[m[1]] = now
            elif m := re.search(r"END (\w+) (\d+) \d+( BAD)?$", line):
                if m[3]:
                    raise SystemExit(f"{command[0]}: test {m[1]} computed a wrong result")
                if m[1] in begun:
                    results[m[1]] = (now - begun[m[1]]) * 1e9 / int(m[2])
            done = done or "GUESTBENCH DONE" in line
    peak = 0
    try:
        with open(f"/proc/{process.pid}/status") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024
    except (OSError, TypeError):
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    os.close(master)
    if not done:
        raise SystemExit(f"{command[0]} did not finish within {limit} s")
    return results, boot, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernel")
    parser.add_argument("initrd")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--memory", type=int, default=512)
    parser.add_argument("--strata", default="./strata")
    options = parser.parse_args()
    append = f"console=ttyS0 quiet gbscale={options.scale}" + (f" gbonly={options.only}" if options.only else "")
    commands = {
        "strata": [options.strata, "run", "--kernel", options.kernel, "--initrd", options.initrd,
                   "--append", append, "--memory", f"{options.memory}M"],
        "tcg": ["qemu-system-x86_64", "-accel", "tcg", "-m", str(options.memory), "-nographic", "-no-reboot",
                "-kernel", options.kernel, "-initrd", options.initrd, "-append", append],
    }
    runs = {name: [] for name in commands}
    for i in range(options.runs):
        for name, command in commands.items():
            runs[name].append(run(command, 900))
            print(f"run {i + 1} of {options.runs}: {name} reached init in {runs[name][-1][1]:.2f} s", file=sys.stderr)
    print(f"{'test':10} {'strata ns':>14} {'tcg ns':>14} {'tcg/strata':>11}")
    for test in runs["strata"][0][0]:
        strata, tcg = (statistics.median(r[0][test] for r in runs[name]) for name in ("strata", "tcg"))
        print(f"{test:10} {strata:14.2f} {tcg:14.2f} {tcg / strata:11.2f}")
    strata, tcg = (statistics.median(r[1] for r in runs[name]) for name in ("strata", "tcg"))
    print(f"{'boot, s':10} {strata:14.2f} {tcg:14.2f} {tcg / strata:11.2f}")
    strata, tcg = (statistics.median(r[2] for r in runs[name]) for name in ("strata", "tcg"))
    print(f"{'peak, MiB':10} {strata:14.0f} {tcg:14.0f}")


main()
