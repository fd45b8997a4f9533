# Ends processes of socat, and prints what became of each: number, outcome and command line, separated
# by tabs. They are those that carried a channel for an SSH session that is no more: their parent is init.
# $any is not empty where any of the user's is meant, $everybody where those of all users are, and $shows
# where none is to be ended.

meant() {
    [ -n "$everybody" ] || [ -O "/proc/$1" ] || return 1
    read -r name 2> /dev/null < "/proc/$1/comm" || return 1
    case $name in socat*) ;; *) return 1 ;; esac
    line=$(tr '\0\n\t' '   ' 2> /dev/null < "/proc/$1/cmdline") || return 1
    [ -z "$any" ] || return 0
    case $line in *" STDIO UNIX-CONNECT:"*) ;; *) return 1 ;; esac
    grep -qx 'PPid:	1' "/proc/$1/status" 2> /dev/null && return 0
    printf '%s\tin use\t%s\n' "$1" "$line"
    return 1
}

lives() {
    grep -q '^State:	[^ZX]' "/proc/$1/status" 2> /dev/null
}

for folder in /proc/[0-9]*; do
    number=${folder#/proc/}
    meant "$number" || continue
    if [ -n "$shows" ]; then
        printf '%s\twould be ended\t%s\n' "$number" "$line"
        continue
    fi
    if ! error=$(kill "$number" 2>&1) && lives "$number"; then
        printf '%s\tnot ended: %s\t%s\n' "$number" "${error##*: }" "$line"
        continue
    fi
    outcome=ended
    for moment in 1 2 3 4 5 6 7 8 9 10; do
        lives "$number" || break
        sleep 0.2 2> /dev/null || sleep 1
    done
    if lives "$number"; then
        kill -9 "$number"
        outcome=killed
    fi
    printf '%s\t%s\t%s\n' "$number" "$outcome" "$line"
done
