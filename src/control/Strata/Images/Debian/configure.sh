# Runs in the new system's root: dpkg installs the packages properly, then the system is prepared for its first start.
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
step() { echo "strata: step $*"; }

# Nothing is started in here (Debian Policy, "invoke-rc.d").
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

step "Installing the essential packages"
dpkg --force-depends --force-unsafe-io --install /media/essential/*.deb
step "Installing the other packages"
apt-get install --yes --no-install-recommends -o DPkg::Options::=--force-unsafe-io -o APT::Sandbox::User=root /media/packages/*.deb
rm /usr/sbin/policy-rc.d

step "Configuring the system"
if [ -f /media/modules.tar ]; then # of a kernel that is not on the disk
    tar -x -f /media/modules.tar --no-same-owner
    depmod -a "$(cat /media/release)"
fi
cp /media/sources.list /etc/apt/sources.list

echo debian > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 debian\n::1 localhost ip6-localhost ip6-loopback\n' > /etc/hosts
echo 'LANG=C.UTF-8' > /etc/default/locale
echo '# The root file system is mounted by the initial RAM disk.' > /etc/fstab

systemctl set-default multi-user.target
systemctl enable systemd-networkd.service systemd-resolved.service ssh.socket
systemctl disable ssh.service getty@tty1.service e2scrub_reap.service
# Without a display, firmware, a debugger, an fstab, other entropy than the host's, or users who want these at every start:
systemctl mask systemd-networkd-wait-online.service systemd-network-generator.service systemd-remount-fs.service systemd-random-seed.service \
    systemd-pstore.service systemd-repart.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@configfs.service modprobe@dm_mod.service modprobe@loop.service \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount
rm -f /etc/modules-load.d/modules.conf # nothing is in it, and without it systemd-modules-load need not start
systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer

# What must differ between machines is made when each starts; an empty machine-id is filled in without "first boot" work.
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed

# Manual pages are left out, but maintainer scripts put links to theirs there and fail without the folders: openjdk's and postgresql's.
mkdir -p /usr/share/man/man1 /usr/share/man/man2 /usr/share/man/man3 /usr/share/man/man4 /usr/share/man/man5 \
    /usr/share/man/man6 /usr/share/man/man7 /usr/share/man/man8 /usr/share/man/man9

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*.log /var/log/apt /tmp/*
touch /etc/.updated /var/.updated # nothing in /usr is newer: systemd has no catalogues to rebuild
