# Before what looks at a key or fetches it: $url, $fingerprint, $path.
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Whether the file has that key, and no other beside it.
is_right() {
    command -v gpg > /dev/null || { echo "there is no gpg to look at the key" >&2; return 1; }
    # Its own folder, so that it makes none in the user's home.
    gpg --homedir "$work" --batch --quiet --with-colons --show-keys "$1" > "$work/list" || return 1
    found=
    primary=
    while IFS=: read -r kind _ _ _ _ _ _ _ _ value _; do
        case $kind in
            pub) primary=yes ;;
            fpr) [ -z "$primary" ] || found="$found $value"; primary= ;;
        esac
    done < "$work/list"
    [ "$found" = " $fingerprint" ] && return
    echo "the key of $url has the fingerprint${found:- of nothing}, and not $fingerprint" >&2
    return 1
}
