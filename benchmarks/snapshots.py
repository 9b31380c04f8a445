#!/usr/bin/env python3
"""Saving and restoring debian-tiny with 512 MiB: Strata beside QEMU TCG's savevm, loadvm and migration to a file, in one run.

Wall times in ms. How long the machine stands still, and how long creating takes, Strata tells itself; QEMU's are those of the
monitor's commands. The last row of Strata is from the start of the command on. Medians. Between two, 10 MB change. The guest is the same
kernel and initial RAM disk, one processor, at its shell.

"code" is the first `python3 -c 1` of a restored debian with 512 MiB, with and without the translated code that a snapshot keeps, beside a warm
one's: processor time of the vCPU's thread for the whole `strata exec`, and what the guest's shell measures. Python's packages are fetched by apt-get
and unpacked in the guest: for that, apt's sources must be those of Debian 12.
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


PYTHON = ["python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "libexpat1"]


def install_python(work):
    packages, tree = os.path.join(work, "packages"), os.path.join(work, "tree")
    os.makedirs(packages)
    os.chmod(work, 0o755)
    subprocess.run(["apt-get", "download", "-q", *PYTHON], cwd=packages, check=True, capture_output=True)
    for package in os.listdir(packages):
        subprocess.run(["dpkg-deb", "-x", os.path.join(packages, package), tree], check=True)
    files = subprocess.run(["tar", "c", "-C", tree, *os.listdir(tree)], check=True, capture_output=True).stdout
    subprocess.run([STRATA, "exec", NAME, "tar", "x", "-h", "-C", "/"], input=files, check=True)


def vcpu_time(process):
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        if open(f"/proc/{process.pid}/task/{thread}/comm").read().startswith("strata-vcpu"):
            return int(open(f"/proc/{process.pid}/task/{thread}/schedstat").read().split()[0]) / 1e6
    sys.exit("snapshots: the machine has no vCPU thread")


def run_in_guest(process, command):
    before = vcpu_time(process)
    told = subprocess.run([STRATA, "exec", NAME, "bash", "-c", f"TIMEFORMAT=%R; time {command}"], check=True, capture_output=True, text=True).stderr
    return vcpu_time(process) - before, float(told.split()[-1]) * 1000


def start_debian(work, *command):
    machine = subprocess.Popen([STRATA, *command], stdin=subprocess.PIPE, stdout=open(os.path.join(work, "console"), "wb"), stderr=subprocess.STDOUT)
    while subprocess.run([STRATA, "exec", NAME, "true"], capture_output=True).returncode != 0:
        if machine.poll() is not None:
            sys.exit("snapshots: the machine ended: " + open(os.path.join(work, "console")).read())
        time.sleep(0.1)
    return machine


def measure_code(work, rounds):
    def note(name, measured):
        for what, value in zip(("vCPU", "guest"), measured):
            figures.setdefault(f"python3 -c 1, {name}, {what}", []).append(value)

    def end(machine):
        strata("stop", "--force", NAME)
        machine.wait()

    figures = {}
    machine = start_debian(work, "run", "debian", "--name", NAME, "-m", "512M")
    install_python(work)
    for _ in range(rounds + 5):
        run_in_guest(machine, "python3 -c 1")
    for _ in range(rounds):
        note("warm", run_in_guest(machine, "python3 -c 1"))
    strata("snapshot", "create", NAME, "warm")
    end(machine)
    for _ in range(rounds):
        for name, options in (("kept code", []), ("no kept code", ["--no-code"])):
            machine = start_debian(work, "snapshot", "restore", NAME, "warm", *options)
            run_in_guest(machine, "true")
            note("first, " + name, run_in_guest(machine, "python3 -c 1"))
            note("second, " + name, run_in_guest(machine, "python3 -c 1"))
            end(machine)
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
    parser.add_argument("--only", choices=["strata", "qemu", "code"], help="leave the others out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["XDG_DATA_HOME"] = os.path.join(work, "data")
        strata("image", "pull")
        for who, measure in (("strata", measure_strata), ("qemu", measure_qemu), ("code", measure_code)):
            if options.only in (None, who):
                for name, values in measure(work, options.rounds).items():
                    print(f"{who:7} {name:42} {statistics.median(values):9.1f} ms   {min(values):.1f} to {max(values):.1f}", flush=True)


main()
