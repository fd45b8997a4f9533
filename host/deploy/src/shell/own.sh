zeros() {
    dd if=/dev/zero bs="$1" count=1 2> /dev/null
}

# owner_of CONTAINER FOLDER DOCKER...: mode, owner, group, size, time, checksum and kind of a folder,
# from the header of its tar archive. The docker client complains that nobody reads the rest.
owner_of() {
    container=$1 folder=$2
    shift 2
    "$@" cp "$container:$folder" - 2> /dev/null |
        dd bs=1 skip=100 count=57 2> /dev/null | tr '\000' ' '
}

# below_of CONTAINER FOLDER DOCKER...: whether there is anything in a folder. The header of the first
# thing in it comes second; an archive ends with zeros.
below_of() {
    container=$1 folder=$2
    shift 2
    [ -n "$("$@" cp "$container:$folder" - 2> /dev/null |
        dd bs=1 skip=512 count=512 2> /dev/null | tr -d '\000')" ]
}

# number_of CONTAINER FILE NAME DOCKER...: the number of a user or group, by a file of the container.
number_of() {
    container=$1 file=$2 name=$3
    shift 3
    number=$name
    case "$name" in
        '' | *[!0-9]*)
            number=$("$@" cp "$container:$file" - 2> /dev/null | tar -xOf - 2> /dev/null |
                NAME=$name awk -F: '($1 "") == (ENVIRON["NAME"] "") { print $3; exit }')
            ;;
    esac
    case "$number" in
        '' | *[!0-9]*)
            printf '%s of %s has no %s; give a number instead\n' "$file" "$container" "$name" >&2
            return 1
            ;;
    esac
    # The header of an archive has no room for more.
    if ! [ "$number" -le 2097151 ] 2> /dev/null; then
        printf 'the owner %s is more than a script can set; dfab itself can\n' "$name" >&2
        return 1
    fi
    echo "$number"
}

# give CONTAINER FOLDER MODE USER GROUP TIME DOCKER...: sets owner and mode of a folder in a container that
# need not run, by unpacking an archive of that folder alone. All are numbers, the time in octal.
give() {
    container=$1 folder=$2
    fields=$(printf '%07o %07o %07o 00000000000 %s' "$3" "$4" "$5" "$6")
    shift 6
    # 1011 is the sum of the bytes that are always the same.
    sum=$(printf '%s' "$fields" | tr -d ' ' | od -An -v -tu1 |
        awk '{ for (i = 1; i <= NF; i++) sum += $i } END { print sum + 1011 }')
    {
        printf '/'
        zeros 99
        # Unquoted, for each is a field.
        printf '%s\000' $fields
        printf '%06o\000 5' "$sum"
        zeros 100
        printf 'ustar\000'
        printf '00'
        zeros 1271
    } | "$@" cp - "$container:$folder"
}

# change_below CONTAINER FOLDER OWNER PERMISSIONS DOCKER...: changes all that is in a folder, by the
# commands of the container's image. What is empty stays as it is.
change_below() {
    container=$1 folder=$2 owner=$3 permissions=$4
    shift 4
    image=$("$@" inspect --format='{{.Image}}' "$container") || return 1
    if [ -n "$owner" ]; then
        "$@" run --rm --network=none --user=0:0 --volumes-from="$container" --entrypoint=chown \
            "$image" -hR -- "$owner" "$folder" || return 1
    fi
    if [ -n "$permissions" ]; then
        "$@" run --rm --network=none --user=0:0 --volumes-from="$container" --entrypoint=chmod \
            "$image" -R -- "$permissions" "$folder" || return 1
    fi
}

# own CONTAINER FOLDER USER GROUP MODE PERMISSIONS DOCKER...: sets owner and mode of a folder, and changes
# all in it, before the container starts. Users and groups are names or numbers. MODE is what the mode
# `before` becomes by the permissions, which chmod takes as they are. What is empty stays as it is, and
# nothing is done where the folder has them.
own() {
    container=$1 folder=$2 user=$3 group=$4 mode=$5 permissions=$6
    shift 6
    owner=
    if [ -n "$user" ]; then
        user=$(number_of "$container" /etc/passwd "$user" "$@") || return 1
        group=$(number_of "$container" /etc/group "$group" "$@") || return 1
        owner=$user:$group
    fi
    read -r old_mode old_user old_group size time checksum kind << END
$(owner_of "$container" "$folder" "$@")
END
    case "$kind$size$checksum$old_mode$old_user$old_group$time" in
        5*[!0-7]* | [!5]* | '')
            printf 'cannot read the owner of the folder %s in %s\n' "$folder" "$container" >&2
            return 1
            ;;
    esac
    # The 0 in front makes them octal.
    before=$((0$old_mode & 07777)) old_user=$((0$old_user)) old_group=$((0$old_group))
    mode=$((${mode:-before})) user=${user:-$old_user} group=${group:-$old_group}
    if [ "$mode $user $group" = "$before $old_user $old_group" ]; then
        return
    fi
    if below_of "$container" "$folder" "$@" &&
        ! change_below "$container" "$folder" "$owner" "$permissions" "$@"; then
        printf 'what is in the folder %s in %s is not changed\n' "$folder" "$container" >&2
        # The next time it is to be tried again.
        give "$container" "$folder" "$before" "$old_user" "$old_group" "$time" "$@"
        return 1
    fi
    give "$container" "$folder" "$mode" "$user" "$group" "$time" "$@"
    read -r new_mode new_user new_group rest << END
$(owner_of "$container" "$folder" "$@")
END
    new="$((0$new_mode & 07777)) $((0$new_user)) $((0$new_group))"
    if [ "$new" != "$mode $user $group" ]; then
        printf 'the owner of the folder %s in %s is not set\n' "$folder" "$container" >&2
        return 1
    fi
}
