# Prints how the addresses of the interface in $interface can be read, and what was read.
set -u
PATH="$PATH:/usr/sbin:/sbin"
if ip -j addr show dev "$interface" 2> /dev/null > /dev/null; then
    echo json
    exec ip -j addr show dev "$interface"
fi
if ip addr show dev "$interface" 2> /dev/null > /dev/null; then
    echo text
    exec ip addr show dev "$interface"
fi
if ifconfig "$interface" 2> /dev/null > /dev/null; then
    echo text
    exec ifconfig "$interface"
fi
if [ -e "/sys/class/net/$interface" ]; then
    echo none
else
    echo missing
    ls /sys/class/net 2> /dev/null
fi
