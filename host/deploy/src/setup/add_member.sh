# Puts the user $user into the group $group too.
if command -v usermod > /dev/null; then
    usermod -a -G "$group" -- "$user"
else
    addgroup "$user" "$group"
fi
