#!/usr/bin/env bash
# What:    the 8x16 font of the VGA BIOS, and the one that Linux draws its frame buffer console with ("VGA8x16").
# Version: seabios 1.16.2-1 (vgabios-stdvga.bin), linux-image-6.1.0-57-cloud-amd64 6.1.192-3 (Debian 12).
# Guess:   the kernel's font is what its name says, the card's, so that text on the screen can be read by one of them.
# Seen:    42 of the 256 glyphs differ, among them 0 M T V W X Y Z f m v w x: the ROM has the shapes for cells of nine dots.
# Matters: a program that reads a screen by comparing cells with the ROM's font loses these letters as soon as Linux has its frame buffer.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
packages seabios=1.16.2-1 linux-image-6.1.0-57-cloud-amd64=6.1.192-3 lz4=1.9.4-1

# The kernel inside its boot image: an LZ4 stream, behind which stands its unpacked size.
python3 - "$root"/boot/vmlinuz-6.1.0-57-cloud-amd64 <<'PYTHON'
import pathlib, struct, sys
image = pathlib.Path(sys.argv[1]).read_bytes()
offset, length = struct.unpack_from("<II", image, 0x248)
start = (image[0x1F1] + 1) * 512 + offset
pathlib.Path("kernel.lz4").write_bytes(image[start:start + length - 4])
PYTHON
lz4 -dc <kernel.lz4 >kernel 2>lz4.log || { cat lz4.log >&2; exit 2; }

python3 - "$root/usr/share/seabios/vgabios-stdvga.bin" kernel >differ <<'PYTHON'
import pathlib, sys
letter = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")  # the capital A of both
fonts = []
for name in sys.argv[1:]:
    data = pathlib.Path(name).read_bytes()
    at = data.index(letter) - 16 * ord("A")
    fonts.append([data[at + 16 * code:at + 16 * code + 16] for code in range(256)])
differ = [code for code in range(256) if fonts[0][code] != fonts[1][code]]
print(len(differ), "".join(chr(code) for code in differ if 32 < code < 127))
PYTHON
echo "seen: glyphs that differ, and the printable ones of them: $(cat differ)"
[ "$(cat differ)" = '42 0MTVWXYZ`fmvwx|~' ] || gone "42 glyphs differ"
