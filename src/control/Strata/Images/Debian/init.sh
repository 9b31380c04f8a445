#!/bin/busybox sh
# PID 1 of the initial RAM disk: loads the drivers, then starts the system on /dev/vda, or installs it there first.
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

fail() {
    echo "strata: $1"
    poweroff -f
}

# The value of strata.NAME= on the kernel's command line.
setting() {
    for word in $(cat /proc/cmdline); do
        case $word in
            strata.$1=*) echo "${word#*=}" ;;
        esac
    done
}

for module in $(cat /modules); do
    insmod "/lib/modules/$module.ko"
done

tries=0
until [ -b /dev/vda ]; do
    tries=$((tries + 1))
    [ $tries -le 200 ] || fail "There is no disk /dev/vda to start from."
    usleep 20000
done

build=$(setting build)
if [ -n "$build" ]; then
    mount -t ext4 -o ro /dev/vdb /media || fail "The installation medium cannot be mounted."
    sh /media/build.sh "$build" && echo "strata: The system is installed."
    poweroff -f
fi

mount -t ext4 -o rw /dev/vda /root || fail "The file system on /dev/vda cannot be mounted."
name=$(setting hostname)
if [ -n "$name" ]; then
    echo "$name" > /root/etc/hostname
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$name" > /root/etc/hosts
fi

zone=$(setting timezone)
if [ -n "$zone" ]; then
    if [ -f "/root/usr/share/zoneinfo/$zone" ]; then
        ln -sfn "/usr/share/zoneinfo/$zone" /root/etc/localtime
        echo "$zone" > /root/etc/timezone
    else
        echo "strata: There is no time zone $zone; the clock shows UTC."
    fi
fi

keys=$(setting ssh-key)
if [ -n "$keys" ]; then
    mkdir -p -m 700 /root/root/.ssh
    echo "$keys" | base64 -d > /root/root/.ssh/authorized_keys
    chmod 600 /root/root/.ssh/authorized_keys
fi

tags=$(setting shares | tr , ' ')
if [ -n "$tags" ]; then
    for module in $(cat /share-modules); do
        insmod "/lib/modules/$module.ko"
    done
fi
for tag in $tags; do
    mkdir -p "/root/mnt/$tag"
    mount -t virtiofs "$tag" "/root/mnt/$tag" || echo "strata: The folder $tag cannot be mounted."
done

for folder in dev proc sys; do
    mount -o move /$folder /root/$folder
done
exec switch_root /root /sbin/init
