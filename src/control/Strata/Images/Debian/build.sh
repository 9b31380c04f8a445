# Runs in the initial RAM disk, with the installation medium on /media and an empty file system on /dev/vda; with the argument "bootable" on
# its third partition.
set -e
root=/dev/vda
if [ "$1" = bootable ]; then
    root=/dev/vda3
fi
step() { echo "strata: step $*"; }

# Whoever is interrupted starts again from an empty disk: no write has to be safe before the end.
mount -t ext4 -o barrier=0,noatime,data=writeback $root /root
cd /root

step "Unpacking the essential packages"
mkdir -p usr/bin usr/sbin usr/lib usr/lib64
for folder in bin sbin lib lib64; do
    ln -s usr/$folder $folder
done
for archive in /media/essential/*.deb; do
    dpkg-deb -x "$archive" .
done
mkdir -p dev proc sys media
for folder in dev proc sys media; do
    mount -o bind /$folder $folder
done
mkdir -p dev/pts
mount -t devpts devpts dev/pts

# dpkg needs a database to add to, and packages need the system's users before base-passwd has made them.
touch var/lib/dpkg/status
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
cp -r /media/files/. .
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale

chroot . /bin/bash /media/configure.sh
if [ "$1" = bootable ]; then
    chroot . /bin/bash /media/bootable.sh
fi

step "Writing everything to the disk"
umount dev/pts
for folder in dev proc sys media; do
    umount $folder
done
cd /
umount /root
