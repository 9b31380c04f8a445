#!/usr/bin/env python3
"""Measures the debian image beside QEMU TCG, by turns: start to login, programs that a shell starts, and a disk's throughput by fio.

Needs qemu-system-x86_64; for the disk also fio and cpio. Both monitors get the same kernel, initial RAM disk, command line and disk
through virtio. Figures are medians; a ratio above 1 means that Strata is faster.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

from boots import BenchError, start

STRATA = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "strata")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "strata")
CONSOLE = "console=ttyS0 quiet panic=-1"
PROMPT = "root@debian:~#"
DISK_MIB = 512
PROGRAMS = "for i in $(seq 100); do /bin/true; /bin/ls / > /dev/null; done"
PROGRAM_COUNT = 200

# name, fio's options, figure in fio's report and how it is printed
JOBS = [
    ("4 KiB random read, queue depth 16", "--rw=randread --bs=4k --iodepth=16", ("read", "iops"), "{:,.0f} IOPS"),
    ("4 KiB random write, queue depth 16", "--rw=randwrite --bs=4k --iodepth=16", ("write", "iops"), "{:,.0f} IOPS"),
    ("4 KiB random read, one at a time", "--rw=randread --bs=4k --iodepth=1", ("read", "iops"), "{:,.0f} IOPS"),
    ("1 MiB sequential read", "--rw=read --bs=1m --iodepth=4", ("read", "bw"), "{:,.0f} KiB/s"),
    ("1 MiB sequential write", "--rw=write --bs=1m --iodepth=4", ("write", "bw"), "{:,.0f} KiB/s"),
]


def strata(image, disk, append, initrd=None):
    initrd = initrd or os.path.join(CACHE, image, "initrd")
    return [STRATA, "run", "--engine", "translator", "-m", "512M", "--kernel", os.path.join(CACHE, image, "vmlinuz"), "--initrd", initrd,
            "--append", append, "--disk", disk]


def tcg(image, disk, append, initrd=None):
    initrd = initrd or os.path.join(CACHE, image, "initrd")
    path, *options = disk.split(",")
    snapshot = ",snapshot=on" if "snapshot" in options else ""
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot", "-monitor", "none",
            "-kernel", os.path.join(CACHE, image, "vmlinuz"), "-initrd", initrd, "-append", append,
            "-drive", f"file={path},if=none,id=d,format=raw{snapshot}", "-device", "virtio-blk-pci,drive=d",
            "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n", "-device", "virtio-rng-pci"]


def start_to_login(command, limit):
    """Seconds by the clock, and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = start(command, limit, prompt=PROMPT).reached
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def boots(runs, limit):
    subprocess.run([STRATA, "image", "pull", "debian"], check=True)
    disk = os.path.join(CACHE, "debian", "disk.img") + ",snapshot"
    figures = {"Strata": [], "QEMU TCG": []}
    for run in range(runs):
        for name, command in (("QEMU TCG", tcg), ("Strata", strata)):
            figures[name].append(start_to_login(command("debian", disk, CONSOLE), limit))
            print(f"start to login, run {run + 1} of {runs}, {name}: {figures[name][-1][0]:.1f} s", file=sys.stderr)
    rows = []
    for index, what in enumerate(("start to login, s", "the same, processor seconds")):
        ours, theirs = (statistics.median(figure[index] for figure in figures[name]) for name in ("Strata", "QEMU TCG"))
        rows.append((what, f"{ours:.1f}", f"{theirs:.1f}", theirs / ours))
    return rows


def programs(runs, limit):
    """Programs that use shared libraries, which each maps at addresses of its own."""
    disk = os.path.join(CACHE, "debian", "disk.img") + ",snapshot"
    figures = {"Strata": [], "QEMU TCG": []}
    for run in range(runs):
        for name, command in (("QEMU TCG", tcg), ("Strata", strata)):
            took = start(command("debian", disk, CONSOLE), limit, prompt=PROMPT, say=PROGRAMS).answered
            figures[name].append(took * 1000 / PROGRAM_COUNT)
            print(f"programs, run {run + 1} of {runs}, {name}: {figures[name][-1]:.1f} ms each", file=sys.stderr)
    ours, theirs = (statistics.median(figures[name]) for name in ("Strata", "QEMU TCG"))
    return [("a program started by a shell, ms", f"{ours:.1f}", f"{theirs:.1f}", theirs / ours)]


def with_fio(folder):
    """debian-tiny's initial RAM disk with the host's fio and its libraries in it."""
    fio = shutil.which("fio") or sys.exit("fio is missing; apt-get install fio")
    libraries = re.findall(r"/\S+", subprocess.run(["ldd", fio], check=True, capture_output=True, text=True).stdout)
    root = os.path.join(folder, "root")
    for path in [fio, *libraries]:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.realpath(path), root + path)
    with open(os.path.join(folder, "initrd"), "wb") as initrd:
        with open(os.path.join(CACHE, "debian-tiny", "initrd"), "rb") as original:
            shutil.copyfileobj(original, initrd)
        initrd.flush()
        subprocess.run("find . | cpio -o -H newc --quiet", shell=True, check=True, cwd=root, stdout=initrd)
    return os.path.join(folder, "initrd")


def fio_report(command, limit):
    output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False).stdout.decode(errors="replace").replace("\r", "")
    reports = [json.loads(text) for text in re.findall(r"""\{\n  "fio version".*?^\}$""", output, re.MULTILINE | re.DOTALL)]
    if len(reports) != len(JOBS):
        sys.exit(f"{command[0]}: fio did not run through:\n" + output[-2000:])
    return [report["jobs"][0][kind][figure] for report, (_, _, (kind, figure), _) in zip(reports, JOBS)]


def disks(runs, seconds, limit):
    subprocess.run([STRATA, "image", "pull"], check=True)
    figures = {"Strata": [], "QEMU TCG": []}
    with tempfile.TemporaryDirectory() as folder:
        initrd = with_fio(folder)
        disk = os.path.join(folder, "disk.img")
        with open(disk, "wb") as file:
            for _ in range(DISK_MIB):
                file.write(os.urandom(1 << 20))
        common = f"--filename=/dev/vda --direct=1 --ioengine=libaio --time_based --runtime={seconds} --output-format=json --name=x"
        script = "; ".join(f"fio {common} {options}" for _, options, _, _ in JOBS)
        append = f'{CONSOLE} strata.run="{script}"'
        for run in range(runs):
            for name, command in (("QEMU TCG", tcg), ("Strata", strata)):
                figures[name].append(fio_report(command("debian-tiny", disk + ",format=raw", append, initrd), limit))
                print(f"fio, run {run + 1} of {runs}, {name}", file=sys.stderr)
    rows = []
    for index, (what, _, _, form) in enumerate(JOBS):
        ours, theirs = (statistics.median(figure[index] for figure in figures[name]) for name in ("Strata", "QEMU TCG"))
        rows.append((what, form.format(ours), form.format(theirs), ours / theirs))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each monitor (default: 5)")
    parser.add_argument("--seconds", type=int, default=4, help="time of each fio job (default: 4)")
    parser.add_argument("--only", choices=["boot", "programs", "disk"], help="only one of the parts")
    parser.add_argument("--limit", type=int, default=300, metavar="S", help="longest time of one run (default: 300)")
    options = parser.parse_args()
    rows = []
    if options.only in (None, "boot"):
        rows += boots(options.runs, options.limit)
    if options.only in (None, "programs"):
        rows += programs(options.runs, options.limit)
    if options.only in (None, "disk"):
        rows += disks(options.runs, options.seconds, options.limit)
    print("| | Strata, translator | QEMU TCG | ratio |\n|---|--:|--:|--:|")
    for what, ours, theirs, ratio in rows:
        print(f"| {what} | {ours} | {theirs} | {ratio:.2f} |")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
