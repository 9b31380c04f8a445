# Runs in the new system's root, behind configure.sh: makes a disk with partitions start by itself, with BIOS and UEFI.
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
step() { echo "strata: step $*"; }

step "Installing the boot loaders"
mkfs.vfat -F 32 -n EFI /dev/vda2
mkdir -p /boot/efi
mount -t vfat /dev/vda2 /boot/efi
root=$(blkid -s UUID -o value /dev/vda3)
efi=$(blkid -s UUID -o value /dev/vda2)

# Nothing names /dev/vda3: the disk may be on IDE, SATA or NVMe the next time. Without udev, update-grub looks for this link.
mkdir -p /dev/disk/by-uuid
ln -s ../../vda3 "/dev/disk/by-uuid/$root"
printf 'UUID=%s / ext4 errors=remount-ro 0 1\nUUID=%s /boot/efi vfat umask=0077 0 1\n' "$root" "$efi" > /etc/fstab
cat > /etc/default/grub <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=2
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
# The last console is the one that systemd writes to.
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
END
grub-install --target=i386-pc /dev/vda
grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram
update-grub
umount /boot/efi

# An initial RAM disk of initramfs-tools leaves these to the system, and there are a display, and hardware that may want its modules.
systemctl unmask systemd-remount-fs.service systemd-random-seed.service modprobe@drm.service modprobe@fuse.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@loop.service sys-fs-fuse-connections.mount
systemctl enable getty@tty1.service

step "Giving free space back"
fstrim /
