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

# own CONTAINER FOLDER USER GROUP MODE DOCKER...: sets owner and mode of a folder in a container that
# need not run, by unpacking an archive of that folder alone, and of all in it, by the commands of the
# container's image. Nothing is done where the folder has them. What is empty stays as it is.
own() {
    container=$1 folder=$2 user=$3 group=$4 mode=$5
    shift 5
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
    was="$((0$old_mode & 07777)) $((0$old_user)) $((0$old_group))"
    if [ "$((${mode:-0$old_mode} & 07777)) ${user:-$((0$old_user))} ${group:-$((0$old_group))}" = "$was" ]; then
        return
    fi
    if below_of "$container" "$folder" "$@"; then
        image=$("$@" inspect --format='{{.Image}}' "$container")
        if [ -n "$user" ]; then
            "$@" run --rm --network=none --user=0:0 --volumes-from="$container" --entrypoint=chown \
                "$image" -hR -- "$user:$group" "$folder"
        fi
        if [ -n "$mode" ]; then
            "$@" run --rm --network=none --user=0:0 --volumes-from="$container" --entrypoint=chmod \
                "$image" -R -- "$mode" "$folder"
        fi
    fi
    mode=${mode:-$((0$old_mode & 07777))} user=${user:-$((0$old_user))} group=${group:-$((0$old_group))}
    fields=$(printf '%07o %07o %07o 00000000000 %s' "$((mode))" "$user" "$group" "$time")
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
    read -r new_mode new_user new_group rest << END
$(owner_of "$container" "$folder" "$@")
END
    new="$((0$new_mode & 07777)) $((0$new_user)) $((0$new_group))"
    if [ "$new" != "$((mode)) $user $group" ]; then
        printf 'the owner of the folder %s in %s is not set\n' "$folder" "$container" >&2
        return 1
    fi
}
