# Adds the user $name. All else ($id, $group, $system, $no_login, $home, $shell, $comment) is empty
# where nothing is said of it.
[ -z "$no_login" ] || shell=$(command -v nologin || echo /sbin/nologin)
# One of the same name may be there already.
if [ -z "$group" ] && getent group "$name" > /dev/null; then
    group=$name
fi
folder=yes
if [ -z "$home" ] && [ -n "$system$no_login" ]; then
    folder=
fi
set -- ${id:+-u "$id"} ${shell:+-s "$shell"}
if command -v useradd > /dev/null; then
    if [ -n "$group" ]; then set -- "$@" -g "$group"; else set -- "$@" -U; fi
    if [ -n "$folder" ]; then set -- "$@" -m; else set -- "$@" -M; fi
    set -- "$@" ${system:+-r} ${home:+-d "$home"} ${comment:+-c "$comment"}
    useradd "$@" -- "$name"
else
    # BusyBox gives a user for a service no group of its own.
    if [ -z "$group" ]; then
        addgroup ${system:+-S} "$name"
        group=$name
    fi
    [ -n "$folder" ] || set -- "$@" -H
    set -- "$@" ${system:+-S} ${home:+-h "$home"} ${comment:+-g "$comment"}
    adduser -D -G "$group" "$@" "$name"
fi
