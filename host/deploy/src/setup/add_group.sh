# Adds the group $name. $id and $system are empty where nothing is said of them.
if command -v groupadd > /dev/null; then
    set -- ${id:+-g "$id"} ${system:+-r}
    groupadd "$@" -- "$name"
else
    set -- ${id:+-g "$id"} ${system:+-S}
    addgroup "$@" "$name"
fi
