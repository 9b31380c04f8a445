#!/usr/bin/env bash
# What:    ACPI tables that reach a firmware through fw_cfg (etc/table-loader) with their checksum in place, behind which the loader's
#          script asks for it once more (ADD_CHECKSUM).
# Version: ovmf 2022.11-6+deb12u2, seabios 1.16.2-1, qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 (Debian 12), machine q35 with acpi=off.
# Guess:   the checksum is computed without its own byte, so that what was there before does not matter.
# Seen:    SeaBIOS makes the sum right either way. OVMF adds the old byte up and stores the negative: a right checksum becomes a wrong one,
#          the table is then no table to it, and it installs none, without a word. With a zero there it installs the table.
# Matters: a monitor that hands the same tables to both firmwares and to kernels it loads itself has to clear the byte for OVMF, or its
#          guests run without ACPI: no I/O APIC, no power button.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3 \
  qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1 ovmf=2022.11-6+deb12u2

# An RSDP, and an RSDT with one table, an SSDT of no code whose OEM ID is "FINDNG".
cat >make.py <<'PYTHON'
import pathlib, struct, sys
filled = sys.argv[1] == "filled"
rsdt, ssdt, rsdp = 0, 64, b"RSD PTR \0FINDNG\0" + bytes(4)
def table(signature, body):
    data = bytearray(signature + struct.pack("<IBB6s8sI4sI", 36 + len(body), 1, 0, b"FINDNG", b"FINDING ", 1, b"TEST", 1) + body)
    if filled: data[9] = -sum(data) & 255
    return bytes(data)
tables = (table(b"RSDT", struct.pack("<I", ssdt)).ljust(ssdt, b"\0") + table(b"SSDT", b"")).ljust(4096, b"\0")
name = lambda text: text.encode().ljust(56, b"\0")
entry = lambda kind, data: (struct.pack("<I", kind) + data).ljust(128, b"\0")
allocate = lambda file, zone: entry(1, name(file) + struct.pack("<IB", 64, zone))
pointer = lambda file, at: entry(2, name(file) + name("etc/acpi/tables") + struct.pack("<IB", at, 4))
checksum = lambda file, at, start, length: entry(3, name(file) + struct.pack("<III", at, start, length))
script = (allocate("etc/acpi/tables", 1) + allocate("etc/acpi/rsdp", 2) + pointer("etc/acpi/tables", rsdt + 36)
          + checksum("etc/acpi/tables", ssdt + 9, ssdt, 36) + checksum("etc/acpi/tables", rsdt + 9, rsdt, 40)
          + pointer("etc/acpi/rsdp", 16) + checksum("etc/acpi/rsdp", 8, 0, 20))
for file, data in (("tables", tables), ("rsdp", rsdp), ("loader", script)): pathlib.Path(file).write_bytes(data)
PYTHON

# Whether a table of tables in a memory dump leads to an SSDT of ours whose sum is right.
cat >look.py <<'PYTHON'
import pathlib, re, struct, sys
memory = pathlib.Path(sys.argv[1]).read_bytes()
def leads():
    for found in re.finditer(b"[RX]SDT", memory):
        at, width = found.start(), 4 if found[0] == b"RSDT" else 8
        length = struct.unpack_from("<I", memory, at + 4)[0]
        if 36 < length < 1024 and sum(memory[at:at + length]) & 255 == 0:
            for place in range(at + 36, at + length - width + 1, width):
                there = int.from_bytes(memory[place:place + width], "little")
                if memory[there:there + 4] == b"SSDT" and memory[there + 10:there + 16] == b"FINDNG" \
                        and sum(memory[there:there + 36]) & 255 == 0:
                    return True
    return False
print("installed" if leads() else "not installed")
PYTHON

for state in zero filled; do
  python3 make.py $state
  for firmware in seabios ovmf; do
    options=(-L "$root/usr/share/seabios")
    [ $firmware = seabios ] || options=(-bios "$root/usr/share/ovmf/OVMF.fd")
    done='Boot failed|No bootable|iPXE'
    [ $firmware = seabios ] || done='Shell>|BdsDxe'
    (
      for _ in $(seq 200); do
        sleep 1
        grep -aEq "$done" serial.log debug.log 2>/dev/null && break
      done
      sleep 1
      echo "pmemsave 0 0x10000000 \"memory\""
      echo quit
    ) | timeout 260 qemu-system-x86_64 -M q35,acpi=off -accel tcg -m 256 -nodefaults -display none "${options[@]}" \
      -L "$root/usr/share/qemu" -serial file:serial.log -debugcon file:debug.log -global isa-debugcon.iobase=0x402 \
      -fw_cfg name=etc/table-loader,file=loader -fw_cfg name=etc/acpi/tables,file=tables -fw_cfg name=etc/acpi/rsdp,file=rsdp \
      -monitor stdio >monitor.log 2>&1 || { cat monitor.log >&2; exit 2; }
    echo "$firmware, $state byte: $(python3 look.py memory)" | tee -a answers | sed 's/^/seen: /'
    rm -f serial.log debug.log memory
  done
done
for line in "seabios, zero byte: installed" "seabios, filled byte: installed" "ovmf, zero byte: installed" \
  "ovmf, filled byte: not installed"; do
  grep -qxF "$line" answers || gone "$line"
done
