# Makes this machine's SSH host key when the first connection arrives.
key=/etc/ssh/ssh_host_ed25519_key
[ -s $key ] && exit 0
exec 9< /etc/ssh
flock 9
[ -s $key ] || ssh-keygen -q -t ed25519 -N '' -f $key < /dev/null
