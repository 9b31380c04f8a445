"""Runs machines, and the host itself, and times them by the host's clock."""
import os
import pty
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field

PRIORITY = os.getpriority(os.PRIO_PROCESS, 0)  # of what is measured, whatever this process takes for itself
ENGINES = ("native", "tcg", "translator", "interpreter")


class BenchError(Exception):
    """A measurement that cannot be made; the message says why and what to do."""


@dataclass
class Sample:
    """What one start of something gave."""

    nanoseconds: dict = field(default_factory=dict)  # by test, for one operation
    boot: float | None = None  # s until guestbench's first line
    reached: float | None = None  # s until what was waited for
    answered: float | None = None  # s from what was typed to the next prompt
    whole: float | None = None  # s from start to exit
    peak: float | None = None  # MiB resident at the most
    lines: list = field(default_factory=list)


@dataclass(frozen=True)
class Machines:
    """How each engine is started."""

    strata: str
    kernel: str
    initrd: str  # of the image that runs one command
    guestbench: str  # folder with init and guestbench.cpio
    memory: int  # MiB

    def guest_tests(self, engine, scale, only):
        """Command that runs guestbench."""
        if engine == "native":
            return [f"{self.guestbench}/init", str(scale)] + ([only] if only else [])
        append = f"console=ttyS0 quiet gbscale={scale}" + (f" gbonly={only}" if only else "")
        return self._machine(engine, f"{self.guestbench}/guestbench.cpio", append, [])

    def one_command(self, engine):
        """Command that boots Debian, runs `true` and powers off."""
        return self._machine(engine, self.initrd, 'console=ttyS0 quiet panic=-1 strata.run="true"', ["--stats"])

    def _machine(self, engine, initrd, append, options):
        if engine == "tcg":
            return ["qemu-system-x86_64", "-accel", "tcg", "-m", str(self.memory), "-nographic", "-no-reboot",
                    "-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci",  # as a machine of Strata has them
                    "-kernel", self.kernel, "-initrd", initrd, "-append", append]
        return [self.strata, "run", "--engine", engine, "--kernel", self.kernel, "--initrd", initrd,
                "--append", append, "--memory", f"{self.memory}M", *options]


def start(command, limit, until=None, prompt=None, say=None, own_clock=False):
    """Runs a command on a terminal of its own until it ends, until a line holds `until`, or `prompt` stands behind the last line.

    `say` is typed at the prompt, and the next prompt waited for.
    Times are those at which this process reads the lines, as a guest's clock can lie; `own_clock` trusts the program's."""
    sample, begun, pending, done = Sample(), {}, b"", False
    master, slave = pty.openpty()
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.STDOUT, start_new_session=True,
                               preexec_fn=lambda: os.setpriority(os.PRIO_PROCESS, 0, PRIORITY))
    os.close(slave)
    try:
        while not done:
            if time.monotonic() - begin > limit:
                raise BenchError(f"{command[0]} did not finish within {limit} s; give it more with --limit")
            if not select.select([master], [], [], 0.1)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # the terminal's last writer is gone
                break
            now = time.monotonic()
            *lines, pending = (pending + data).split(b"\n")
            for line in (raw.decode("latin1").strip() for raw in lines):
                sample.lines.append(line)
                _note(sample, begun, line, now, begin, own_clock)
                done |= until is not None and until in line
            if prompt is not None and prompt in pending.decode("latin1"):
                if say is None or sample.reached is not None:
                    done = True
                    continue
                sample.reached, pending = now - begin, b""
                os.write(master, say.encode() + b"\n")
        if done:
            if sample.reached is None:
                sample.reached = now - begin
            else:
                sample.answered = now - begin - sample.reached
            sample.peak = _peak(process.pid)
        else:
            process.wait(timeout=10)
            sample.whole = time.monotonic() - begin
            if until is not None or prompt is not None:
                raise BenchError(f"{' '.join(command)} ended early: {' / '.join(sample.lines[-3:])}")
        return sample
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)


def _note(sample, begun, line, now, begin, own_clock):
    """Takes what a line of guestbench says. A test whose two lines came in one read was too short to time."""
    if "GUESTBENCH START" in line:
        sample.boot = now - begin
    elif match := re.search(r"BEGIN (\w+)$", line):
        begun[match[1]] = now
    elif match := re.search(r"END (\w+) (\d+) (\d+)( BAD)?$", line):
        if match[4]:
            raise BenchError(f"the test {match[1]} computed a wrong result: a defect of what ran it, not a measurement")
        if own_clock:
            sample.nanoseconds[match[1]] = int(match[3]) / int(match[2])
        elif begun.get(match[1], now) != now:
            sample.nanoseconds[match[1]] = (now - begun[match[1]]) * 1e9 / int(match[2])


def _peak(pid):
    """Most memory that a process has had resident, in MiB; None if it has ended."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        match = re.search(r"VmHWM:\s+(\d+)", status.read())
    return int(match[1]) / 1024 if match else None


def number(lines, pattern):
    """The number that --stats gives, or None."""
    for line in lines:
        if match := re.search(pattern, line):
            return float(match[1])
    return None
