#!/usr/bin/env python3
"""Installs Debian 12 with its own installer onto an empty disk, restarts it, logs in from the disk and shuts it down.

What a person does is done with `strata run`, `screen`, `type`, `list` and `stop` alone, by what stands on the screen. Prints how long each
stage took, and with --shots keeps a picture of each. The installer is that of package debian-installer-12-netboot-amd64 on a disc of
grub-mkrescue; its answers come by the network from this script (preseed), its packages from the mirror in this host's apt sources.

Some mirrors lack some of the installer's own components (udeb packages). There the installer's early command does the rest: it partitions
the disk, unpacks a base system that mmdebstrap has made on this host, and installs kernel and GRUB from the mirror.

With --firmware ovmf the disk gets a GPT and an EFI system partition, GRUB for EFI, and an entry in the firmware's variables.

Needs debian-installer-12-netboot-amd64, grub-pc-bin, grub-efi-amd64-bin, grub-common, xorriso and mtools; without components also
mmdebstrap. The disk stays with --keep FILE, and OVMF's variables beside it in FILE.fd. Takes some minutes.
"""
import argparse
import functools
import glob
import http.server
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

STRATA = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "strata")
INSTALLER = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
PASSWORD = "correct-horse"

# What every installation fetches of the installer's components, for one.
COMPONENTS = ["partman-base", "parted-udeb", "debootstrap-udeb", "grub-installer"]

# Name of a picture, and what its stage shows. A stage that is over before it is looked at counts as passed when a later one shows.
STAGES = [
    ("loader", r"Install Debian"),
    ("components", r"Loading additional components|Download installer components"),
    ("partitions", r"Starting up the partitioner|Partitions formatting"),
    ("base", r"Installing the base system"),
    ("software", r"Configuring apt|Select and install software"),
    ("grub", r"Installing GRUB boot loader"),
    ("end", r"Finishing the installation"),
    ("restart", r"GNU GRUB(?s:.)*Debian GNU/Linux"),
    ("login", r"debian login:"),
]

GRUB = """set timeout=5
menuentry 'Install Debian' {{
    linux /linux auto=true priority=critical url=http://10.0.2.2:{port}/preseed.cfg fb=false hostname=debian domain= --- quiet
    initrd /initrd.gz
}}
"""

PRESEED = """d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i mirror/country string manual
d-i mirror/protocol string http
d-i mirror/http/hostname string {host}
d-i mirror/http/directory string {directory}
d-i mirror/http/proxy string
d-i mirror/suite string bookworm
d-i passwd/make-user boolean false
d-i passwd/root-password password {password}
d-i passwd/root-password-again password {password}
d-i clock-setup/utc boolean true
d-i clock-setup/ntp boolean false
d-i time/zone string UTC
d-i partman-auto/method string regular
d-i partman-auto/expert_recipe string root :: {boot_partition}500 10000 -1 ext4 $primary{{ }} $bootable{{ }} method{{ format }} \
format{{ }} use_filesystem{{ }} filesystem{{ ext4 }} mountpoint{{ / }} .
d-i partman-auto/choose_recipe select root
d-i partman-basicfilesystems/no_swap boolean false
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i base-installer/install-recommends boolean false
d-i apt-setup/services-select multiselect
d-i apt-setup/enable-source-repositories boolean false
d-i pkgsel/include string dbus libpam-systemd
d-i pkgsel/upgrade select none
d-i pkgsel/update-policy select none
tasksel tasksel/first multiselect
popularity-contest popularity-contest/participate boolean false
d-i grub-installer/only_debian boolean true
d-i grub-installer/bootdev string default
d-i cdrom-detect/eject boolean false
d-i finish-install/reboot_in_progress note
"""

# In front of the partition for everything, in the recipe.
EFI_RECIPE = "100 200 200 free $iflabel{ gpt } $reusemethod{ } method{ efi } format{ } . "

# What the early command runs where the mirror has no components, with the installer's own small shell.
ARCHIVE_INSTALL = """set -e
unset DEBIAN_FRONTEND DEBIAN_HAS_FRONTEND DEBCONF_REDIR DEBCONF_OLD_FD_BASE
exec < /dev/null > /dev/tty1 2>&1
trap 'echo "== failed"' EXIT
printf '\\033[2J\\033[H'
from=http://10.0.2.2:{port}
echo "== Loading additional components"
wget -q -O - $from/modules.tar.gz | gunzip | tar x -C /
depmod
for module in ata_piix ahci nvme virtio_blk sd_mod ext4 vfat nls_cp437 nls_ascii; do modprobe $module; done
efi=
[ -d /sys/firmware/efi ] && efi=yes && modprobe efivarfs
mkdir /base /target
mount -t tmpfs none /base
wget -q -O - $from/base.tar.gz | gunzip | tar x -C /base
bind() {{ for folder in dev proc sys; do mount -o bind /$folder $1/$folder; done; }}
bind /base
sleep 2
disk=
for name in sda nvme0n1 vda; do [ -b /dev/$name ] && disk=/dev/$name && break; done
prefix=$disk
case $disk in *nvme*) prefix=${{disk}}p ;; esac
echo "== Starting up the partitioner: $disk"
if [ $efi ]; then
    printf 'label: gpt\\nsize=128M, type=U\\ntype=L\\n' | chroot /base sfdisk -q $disk
    partition=${{prefix}}2
    chroot /base mkfs.vfat ${{prefix}}1
else
    echo 'start=2048, bootable' | chroot /base sfdisk -q $disk
    partition=${{prefix}}1
fi
chroot /base mkfs.ext4 -q $partition
mount -t ext4 $partition /target
echo "== Installing the base system"
wget -q -O - $from/base.tar.gz | gunzip | tar x -C /target
bind /target
grub=grub-pc
if [ $efi ]; then
    grub=grub-efi-amd64
    mkdir -p /target/boot/efi
    mount -t vfat ${{prefix}}1 /target/boot/efi
    mount -t efivarfs none /target/sys/firmware/efi/efivars
fi
echo 'root:{password}' | chroot /target chpasswd
echo "UUID=$(chroot /target blkid -o value -s UUID $partition) / ext4 errors=remount-ro 0 1" > /target/etc/fstab
[ -z $efi ] || echo "UUID=$(chroot /target blkid -o value -s UUID ${{prefix}}1) /boot/efi vfat umask=0077 0 1" >> /target/etc/fstab
echo debian > /target/etc/hostname
printf '[Match]\\nName=en*\\n[Network]\\nDHCP=yes\\n' > /target/etc/systemd/network/wired.network
chroot /target systemctl enable systemd-networkd
echo 'deb http://{host}{directory} bookworm main' > /target/etc/apt/sources.list
rm -f /target/etc/resolv.conf
cp /etc/resolv.conf /target/etc/resolv.conf
echo "== Select and install software"
apt() {{ DEBIAN_FRONTEND=noninteractive chroot /target apt-get -q -y --no-install-recommends "$@"; }}
apt update
apt install linux-image-amd64 $grub
echo "== Installing GRUB boot loader"
chroot /target grub-install $disk # by EFI: into the system partition, and the variables
chroot /target update-grub
echo "== Finishing the installation"
[ -z $efi ] || umount /target/sys/firmware/efi/efivars /target/boot/efi
for folder in dev proc sys; do umount /target/$folder; done
umount /target
sync
trap - EXIT
sleep 3
reboot -f
"""


def mirror():
    """The first Debian archive of the host's apt sources, as an address."""
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if not path.endswith((".list", ".sources")) or not os.path.exists(path):
            continue
        text = open(path).read()
        found = re.search(r"^deb\s+(?:\[[^]]*\]\s+)?(http:\S+)\s+bookworm\s", text, re.M)
        for stanza in re.split(r"\n\s*\n", text) if path.endswith(".sources") else []:
            if re.search(r"^Suites:.*\bbookworm(\s|$)", stanza, re.M):
                found = found or re.search(r"^URIs:\s*(http:\S+)", stanza, re.M)
        if found:
            return found[1].rstrip("/")
    sys.exit("installer: this host's apt sources name no mirror of Debian 12 by http")


def has_components(address):
    """Whether the mirror has what its own index of the installer's components lists."""
    try:
        index = urllib.request.urlopen(f"{address}/dists/bookworm/main/debian-installer/binary-amd64/Packages.xz").read()
        text = lzma.decompress(index).decode()
        for name in COMPONENTS:
            file = re.search(rf"^Package: {name}\n(?:\S.*\n|\s.*\n)*?Filename: (\S+)", text, re.M)[1]
            urllib.request.urlopen(urllib.request.Request(f"{address}/{file}", method="HEAD"))
        return True
    except urllib.error.HTTPError:
        return False


def make_archives(folder, work, address):
    """The base system, and the modules of the installer's kernel for disks, which it has none of."""
    kernel = re.search(rb"(\d\S+-amd64) \(debian-kernel", open(os.path.join(INSTALLER, "linux"), "rb").read())[1].decode()
    subprocess.run(["mmdebstrap", "--variant=minbase", "--quiet",
                    "--include=systemd-sysv,dbus,libpam-systemd,udev,kmod,e2fsprogs,dosfstools,fdisk,zstd,iproute2,netbase,login",
                    "bookworm", os.path.join(folder, "base.tar.gz"), address], check=True)
    packages, tree = os.path.join(work, "packages"), os.path.join(work, "tree")
    os.makedirs(packages)
    subprocess.run(["apt-get", "download", "-q", f"linux-image-{kernel}"], cwd=packages, check=True, capture_output=True)
    subprocess.run(["dpkg-deb", "-x", *glob.glob(os.path.join(packages, "*.deb")), tree], check=True)
    modules = f"lib/modules/{kernel}/kernel"
    wanted = ["drivers/ata", "drivers/scsi", "drivers/nvme", "drivers/block", "fs/ext4", "fs/jbd2", "fs/mbcache.ko", "fs/fat", "fs/nls",
              "fs/efivarfs", "block", "crypto", "lib", "arch/x86/crypto"]
    subprocess.run(["tar", "czf", os.path.join(folder, "modules.tar.gz"), "-C", tree,
                    *[f"{modules}/{name}" for name in wanted if os.path.exists(os.path.join(tree, modules, name))]], check=True)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """Serves a folder to the machine, whose network reaches this host's loopback interface."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def prepare(work, firmware):
    """Fills a folder for the machine, serves it, and makes the disc."""
    folder = os.path.join(work, "served")
    os.makedirs(folder)
    port = serve(folder)
    address = mirror()
    parts = urllib.parse.urlparse(address)
    names = {"host": parts.netloc, "directory": parts.path, "password": PASSWORD, "port": port,
             "boot_partition": EFI_RECIPE if firmware == "ovmf" else ""}
    preseed = PRESEED.format(**names)
    if not has_components(address):
        print("the mirror lacks the installer's components: the early command installs from an archive", flush=True)
        make_archives(folder, work, address)
        open(os.path.join(folder, "install.sh"), "w").write(ARCHIVE_INSTALL.format(**names))
        preseed += f"d-i preseed/early_command string wget -q -O /tmp/install.sh http://10.0.2.2:{port}/install.sh && sh /tmp/install.sh\n"
    open(os.path.join(folder, "preseed.cfg"), "w").write(preseed)
    return make_disc(work, port)


def make_disc(work, port):
    tree = os.path.join(work, "disc")
    os.makedirs(os.path.join(tree, "boot", "grub"))
    for name in ["linux", "initrd.gz"]:
        shutil.copy(os.path.join(INSTALLER, name), tree)
    open(os.path.join(tree, "boot", "grub", "grub.cfg"), "w").write(GRUB.format(port=port))
    disc = os.path.join(work, "installer.iso")
    subprocess.run(["grub-mkrescue", "-o", disc, tree], check=True, capture_output=True)
    return disc


class Machine:
    def __init__(self, work, arguments):
        self.name = f"installer-{os.getpid()}"
        self.log = os.path.join(work, "console")
        self.console_read = 0
        command = [STRATA, "run", *arguments, "--name", self.name]
        print("+", " ".join(command), flush=True)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            subprocess.run([STRATA, "stop", "--force", self.name])
            self.process.wait()

    def text(self):
        """What stands on the screen; nothing before the machine has a name."""
        return subprocess.run([STRATA, "screen", self.name, "--text"], capture_output=True, text=True).stdout

    def new_console(self):
        """What has come on the serial port since the last call: a loader's menu by EFI, whose letters on the screen are not read."""
        with open(self.log, "rb") as log:
            log.seek(self.console_read)
            new = log.read()
        self.console_read += len(new)
        return new.decode(errors="replace")

    def processor_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def picture(self, path):
        subprocess.run([STRATA, "screen", self.name, "--png", path], check=True)

    def type(self, text):
        subprocess.run([STRATA, "type", self.name, text], check=True)

    def is_listed(self):
        machines = json.loads(subprocess.run([STRATA, "list", "--output", "json"], check=True, capture_output=True, text=True).stdout)
        return any(machine.get("name") == self.name for machine in machines)

    def fail(self, why):
        console = open(self.log, errors="replace").read()[-2000:]
        sys.exit(f"installer: {why}\n--- console:\n{console}\n--- screen:\n{self.text()}")


def follow(machine, shots, limit):
    """Waits for one stage after the other; an installer that asks something stands still, which is its failure."""
    started = last = time.monotonic()
    asked = None
    at = 0
    while at < len(STAGES):
        time.sleep(1)
        if machine.process.poll() is not None:
            machine.fail(f"the machine ended before stage {STAGES[at][0]}")
        text = machine.text() + machine.new_console()
        now = time.monotonic()
        later = [i for i in range(at, len(STAGES)) if re.search(STAGES[i][1], text)]
        if later:
            print(f"{now - last:8.1f} s until {STAGES[later[-1]][0]}", flush=True)
            at, last = later[-1] + 1, now
            if shots:
                time.sleep(2)
                machine.picture(os.path.join(shots, f"{STAGES[at - 1][0]}.png"))
        asked = (asked or now) if "[!!]" in text else None
        if (asked and now - asked > 30) or "== failed" in text:
            machine.fail("the installer stands still")
        if now - last > limit:
            machine.fail(f"stage {STAGES[at][0]} did not come within {limit} s")
    print(f"{time.monotonic() - started:8.1f} s from the machine's start to the login from the disk, "
          f"{machine.processor_seconds():.1f} s of processors", flush=True)


def log_in(machine, shots):
    machine.type("root\n")
    wait(machine, "Password:")
    machine.type(PASSWORD + "\n")
    wait(machine, r"root@debian:~#")
    machine.type("clear; cat /etc/debian_version; uname -r; findmnt -no SOURCE,FSTYPE /; lsblk -dno NAME,SIZE,MODEL; echo do''ne\n")
    wait(machine, "^done")
    print(machine.text().strip())
    if shots:
        machine.picture(os.path.join(shots, "shell.png"))
    if not machine.is_listed():
        machine.fail("strata list does not know the machine")
    subprocess.run([STRATA, "stop", machine.name, "--timeout", "120"], check=True)
    if machine.process.wait() != 0 or machine.is_listed():
        machine.fail(f"the machine ended with {machine.process.returncode}")


def wait(machine, pattern, limit=120):
    end = time.monotonic() + limit
    while not re.search(pattern, machine.text(), re.M):
        if time.monotonic() > end:
            machine.fail(f"{pattern!r} did not come")
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firmware", choices=["seabios", "ovmf"], default="seabios")
    parser.add_argument("--bus", choices=["ide", "ahci", "nvme", "virtio"], default="ide", help="of the disk")
    parser.add_argument("--net", default="user", help="as strata run takes it, such as user,model=e1000")
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--size", default="3G", help="of the disk")
    parser.add_argument("--keep", metavar="FILE", help="where the installed disk is left, as qcow2")
    parser.add_argument("--shots", metavar="FOLDER", help="for a picture of each stage")
    parser.add_argument("--limit", type=int, default=3600, help="seconds that a stage may take")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.shots:
        os.makedirs(options.shots, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="strata-installer-") as work:
        os.chmod(work, 0o755)
        disc = prepare(work, options.firmware)
        disk = options.keep or os.path.join(work, "disk.qcow2")
        subprocess.run([STRATA, "disk", "create", disk, options.size], check=True)
        firmware = ["--firmware", options.firmware]
        if options.firmware == "ovmf":
            firmware += ["--firmware-vars", disk + ".fd"]
        with Machine(work, [*firmware, "--cdrom", disc, "--disk", f"{disk},bus={options.bus}", "--net", options.net,
                            "--memory", options.memory, "--boot", "disk,cdrom"]) as machine:
            follow(machine, options.shots, options.limit)
            log_in(machine, options.shots)
    print("installed, restarted, logged in and shut down")


if __name__ == "__main__":
    main()
