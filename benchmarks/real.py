#!/usr/bin/env python3
"""Measures real programs of Debian (compilers, interpreters, cryptography, compression, a database, process creation) on the bare host,
on QEMU TCG and on Strata, by turns and by the host's clock, and prints a Markdown table of medians.

All three run the same files with the same command lines: the host by chroot on one of its processors, the machines from a disk with that
tree through virtio, with one virtual processor (--processors changes both). The disk is made by mmdebstrap from the host's package sources,
once, and is kept with the images. Natively it needs root, or user namespaces."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import table
from boots import BenchError, start

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "strata"
KEPT = CACHE / "bench-real"
PACKAGES = ("gcc,g++,libc6-dev,make,python3,perl,nodejs,default-jdk-headless,golang-go,openssl,xz-utils,zstd,p7zip-full,sqlite3,git,"
            "sysbench,stress-ng,procps")
SYSTEMS = ("native", "tcg", "strata")
NAMES = {
    "gcc": "gcc -O2", "gccsmall": "gcc, six small files", "gpp": "g++ with the standard library", "make": "make, 24 files",
    "shell": "shell, 600 × true", "python": "python3", "perl": "perl", "node": "node", "javac": "javac", "java": "java",
    "gobuild": "go build", "xz": "xz", "zstd": "zstd", "gzip": "gzip", "sevenzip": "7z", "sha256": "sha256",
    "aes": "aes-256-ctr", "chacha20": "chacha20", "rsa": "rsa", "sqlite": "sqlite", "git": "git", "tar": "tar", "find": "find, stat",
    "grep": "grep -r", "mutex": "sysbench mutex", "matrix": "stress-ng matrix", "dd": "dd with fsync",
}


def parse():
    parser = argparse.ArgumentParser(prog="./build.sh bench --real", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--on", default=",".join(SYSTEMS), metavar="LIST", help=f"what to measure, of {', '.join(SYSTEMS)} (default: all)")
    parser.add_argument("--only", default="", metavar="PROGRAMS", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="runs on each (default: 5)")
    parser.add_argument("--engine", default="translator", help="Strata's engine (default: translator)")
    parser.add_argument("--processors", type=int, default=1, metavar="N", help="processors, virtual and real (default: 1)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="guest memory (default: 2048)")
    parser.add_argument("--limit", type=int, default=1800, metavar="S", help="longest time of one run (default: 1800)")
    parser.add_argument("--update", metavar="FILE", help="put the table between the marks real:begin and real:end of a file as well")
    parser.add_argument("--strata", default=str(HERE.parent / "strata"), help="command to measure (default: ./strata)")
    options = parser.parse_args()
    options.on = [system for system in SYSTEMS if system in options.on.split(",")]
    unknown = set(filter(None, options.only.split(","))) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if not options.on or options.runs < 1 or options.processors < 1:
        parser.error(f"--on takes {', '.join(SYSTEMS)}; --runs and --processors are at least 1")
    return options


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def need(program, package):
    if not shutil.which(program):
        raise BenchError(f"{program} is missing: apt-get install {package}")


def sources():
    """The host's own package sources, as mmdebstrap takes them; none means its default."""
    places = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    return [str(place) for place in places if place.is_file() and "deb" in place.read_text(encoding="utf-8", errors="replace")][:1]


def prepare(work):
    """Makes sure of the tree and its disk, and returns the initial RAM disk that goes over to it."""
    tree, disk = KEPT / "tree", KEPT / "disk.img"
    if not disk.exists():
        for program, package in (("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs")):
            need(program, package)
        shutil.rmtree(tree, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        say(f"making {disk} (about two minutes)")
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(tree), *sources()],
                       check=True)
        shutil.copy(HERE / "guest" / "real.sh", tree / "real.sh")
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), f"{disk}.new", "2600M"], check=True)
        os.rename(f"{disk}.new", disk)
    if (HERE / "guest" / "real.sh").read_bytes() != (tree / "real.sh").read_bytes():
        raise BenchError(f"the disk was made with another list of programs: remove {KEPT} and start again")
    need("cpio", "cpio")
    place = pathlib.Path(work) / "strata"
    place.mkdir()
    shutil.copy(HERE / "guest" / "real-start.sh", place / "start")
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=b"strata\nstrata/start\n", cwd=work, check=True,
                             capture_output=True)
    initrd = pathlib.Path(work) / "initrd"
    first = (CACHE / "debian-tiny" / "initrd").read_bytes()
    initrd.write_bytes(first + bytes(-len(first) % 4) + archive.stdout)
    return initrd


def command(system, initrd, options):
    only = f",{options.only}," if options.only else ""
    if system == "native":
        tree = KEPT / "tree"
        inside = (f"cd '{tree}' && mount --rbind /dev dev && mount -t proc proc proc && mount -t tmpfs -o size=700m tmpfs dev/shm && "
                  f"exec chroot . /bin/bash /real.sh '{only}'")
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["taskset", "-c", f"0-{options.processors - 1}", "unshare", *user, "--mount", "--pid", "--fork", "sh", "-c", inside]
    kernel, disk, append = str(CACHE / "debian-tiny" / "vmlinuz"), KEPT / "disk.img", f"console=ttyS0 quiet panic=-1 only={only}"
    if system == "tcg":
        return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(options.processors), "-m", str(options.memory),
                "-nic", "none", "-nographic", "-no-reboot", "-monitor", "none",
                "-kernel", kernel, "-initrd", str(initrd), "-append", append,
                "-drive", f"file={disk},if=virtio,format=raw,snapshot=on,cache=writeback"]
    return [options.strata, "run", "--engine", options.engine, "--cpus", str(options.processors), "-m", f"{options.memory}M",
            "--net", "none", "--kernel", kernel, "--initrd", str(initrd), "--append", append, "--disk", f"{disk},format=raw,snapshot"]


def measure(initrd, options):
    """By system and program, the seconds of each run."""
    taken = {system: {} for system in options.on}
    for turn in range(options.runs):
        for system in options.on:
            sample = start(command(system, initrd, options), options.limit, until="GUESTBENCH DONE")
            failed = [line for line in sample.lines if line.startswith("FAILED")]
            if failed:
                raise BenchError(f"{system}: {failed[0]}")
            for name, nanoseconds in sample.nanoseconds.items():
                taken[system].setdefault(name, []).append(nanoseconds / 1e9)
            say(f"run {turn + 1} of {options.runs}, {system}: {sum(sample.nanoseconds.values()) / 1e9:.1f} s")
    return {system: {name: statistics.median(values) for name, values in names.items()} for system, names in taken.items()}


def render(seconds, options):
    lines = ["| seconds | native | QEMU TCG | Strata | Strata / native | TCG / Strata |", "|---|--:|--:|--:|--:|--:|"]
    ratios = []
    for name, shown in NAMES.items():
        native, tcg, ours = (seconds.get(system, {}).get(name) for system in SYSTEMS)
        if (native, tcg, ours) != (None, None, None):
            cells = [shown, *map(table.figure, (native, tcg, ours)), table.ratio(ours, native), table.ratio(tcg, ours)]
            lines.append("| " + " | ".join(cells) + " |")
            ratios.append((ours / native if ours and native else None, tcg / ours if tcg and ours else None))
    known = [[pair[column] for pair in ratios if pair[column]] for column in (0, 1)]
    means = [statistics.geometric_mean(column) if column else None for column in known]
    lines.append(f"| geometric mean | | | | {table.figure(means[0])} | {table.figure(means[1])} |")
    processors = "one processor" if options.processors == 1 else f"{options.processors} processors"
    lines += ["", f"Medians of {options.runs} run{'s' * (options.runs > 1)}, {processors}, {options.memory} MiB, "
                  f"Strata's engine {options.engine}. Above 1 in the last column Strata is faster."]
    return "\n".join(lines)


def main():
    options = parse()
    if "tcg" in options.on:
        need("qemu-system-x86_64", "qemu-system-x86")
    subprocess.run([options.strata, "image", "pull"], check=True)
    with tempfile.TemporaryDirectory() as work:
        text = render(measure(prepare(work), options), options)
    print(text)
    if options.update:
        path = pathlib.Path(options.update)
        path.write_text(table.replace_between_marks(path.read_text(encoding="utf-8"), text, "real"), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (BenchError, ValueError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
