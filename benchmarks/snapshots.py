#!/usr/bin/env python3
"""Saving and restoring debian-tiny with 512 MiB: Strata beside QEMU TCG's savevm, loadvm and migration to a file, in one run.

Wall times in ms. How long the machine stands still, and how long creating takes, Strata tells itself; QEMU's are those of the
monitor's commands. The last row of Strata is from the start of the command on. Medians. Between two, 10 MB change. The guest is the same
kernel and initial RAM disk, one processor, at its shell.
"""
import argparse, json, os, re, socket, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
STRATA = os.path.join(ROOT, "strata")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "strata", "debian-tiny")
NAME = "bench-snapshots"


def wait_for(path, text, limit=120):
    end = time.time() + limit
    while time.time() < end:
        if os.path.exists(path) and text in open(path, "rb").read():
            return
        time.sleep(0.005)
    sys.exit(f"snapshots: {text!r} did not appear in {path}")


def strata(*arguments):
    return subprocess.run([STRATA, *arguments], check=True, capture_output=True, text=True).stdout


def timed(action):
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def measure_strata(work, rounds):
    figures = {"pause": [], "create": [], "go back in place": [], "restore, command to the shell's answer": []}
    log = os.path.join(work, "console")
    machine = subprocess.Popen([STRATA, "run", "debian-tiny", "--name", NAME, "-m", "512M"], stdin=subprocess.PIPE, stdout=open(log, "wb"), stderr=subprocess.STDOUT)
    wait_for(log, b"/root#")
    strata("snapshot", "create", NAME, "full")
    for i in range(rounds):
        strata("exec", NAME, "sh", "-c", f"head -c 10000000 /dev/urandom > /root/r{i % 2}")
        report = json.loads(strata("snapshot", "create", NAME, f"s{i}", "--output", "json"))
        figures["pause"].append(report["pauseMilliseconds"])
        figures["create"].append(report["durationMilliseconds"])
        strata("exec", NAME, "sh", "-c", f"head -c 10000000 /dev/urandom > /root/r{i % 2}")
        told = strata("snapshot", "restore", NAME, f"s{i}")
        figures["go back in place"].append(float(re.search(r"still for ([0-9.]+) ms", told)[1]))
    strata("stop", "--force", NAME)
    machine.wait()
    for _ in range(rounds):
        answer = os.path.join(work, "answer")
        open(answer, "wb").close()
        start = time.perf_counter()
        again = subprocess.Popen([STRATA, "snapshot", "restore", NAME, "full"], stdin=subprocess.PIPE, stdout=open(answer, "wb"), stderr=subprocess.DEVNULL)
        again.stdin.write(b"echo a''nswer\n")
        again.stdin.flush()
        wait_for(answer, b"answer")
        figures["restore, command to the shell's answer"].append((time.perf_counter() - start) * 1000)
        again.kill()
        again.wait()
    return figures


class Qemu:
    def __init__(self, work, disk, *more):
        self.log = os.path.join(work, "qemu-console")
        if os.path.exists(self.log):
            os.remove(self.log)
        self.path = os.path.join(work, "monitor")
        self.process = subprocess.Popen([
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-display", "none", "-kernel", os.path.join(CACHE, "vmlinuz"),
            "-initrd", os.path.join(CACHE, "initrd"), "-append", "console=ttyS0", "-drive", f"file={disk},if=virtio,format=qcow2",
            "-serial", f"file:{self.log}", "-monitor", f"unix:{self.path},server=on,wait=off", *more], stdin=subprocess.DEVNULL)
        while not os.path.exists(self.path):
            time.sleep(0.01)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(self.path)
        self.read_prompt()

    def read_prompt(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            text += self.monitor.recv(65536)
        return text

    def command(self, line):
        self.monitor.sendall(line.encode() + b"\n")
        return self.read_prompt()

    def end(self):
        self.process.kill()
        self.process.wait()
        if os.path.exists(self.path):
            os.remove(self.path)


def measure_qemu(work, rounds):
    figures = {"savevm": [], "loadvm": [], "migrate to a file": []}
    disk = os.path.join(work, "disk.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "4G"], check=True)
    qemu = Qemu(work, disk)
    wait_for(qemu.log, b"/root#", 300)
    for i in range(rounds):
        figures["savevm"].append(timed(lambda: qemu.command(f"savevm s{i}")))
        figures["loadvm"].append(timed(lambda: qemu.command(f"loadvm s{i}")))
        target = os.path.join(work, "migration")
        qemu.command("migrate_set_parameter max-bandwidth 10G")
        figures["migrate to a file"].append(timed(lambda: qemu.command(f'migrate "exec:cat > {target}"')))
        status = qemu.command("info migrate").decode()
        if "completed" not in status:
            sys.exit(f"snapshots: QEMU's migration did not complete: {status}")
        qemu.command("cont")
    qemu.end()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each (default 5)")
    parser.add_argument("--only", choices=["strata", "qemu"], help="leave the other out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["XDG_DATA_HOME"] = os.path.join(work, "data")
        strata("image", "pull")
        for who, measure in (("strata", measure_strata), ("qemu", measure_qemu)):
            if options.only in (None, who):
                for name, values in measure(work, options.rounds).items():
                    print(f"{who:7} {name:40} {statistics.median(values):9.1f} ms   {min(values):.1f} to {max(values):.1f}", flush=True)


main()
