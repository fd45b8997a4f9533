//! Which ciphers are offered to a server, the ones liked most first (`Ciphers` in ssh_config(5)).

/// Those that libssh2 has, the fastest first: processors have instructions for AES, and what libssh2 does
/// for ChaCha20 by itself takes several times as long.
const KNOWN: [&str; 10] = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "3des-cbc",
];
/// How many of them are offered unasked; the others are for old servers only.
const OFFERED: usize = 6;

/// What `ssh -G` prints where nobody chose: until OpenSSH 9.8, and since.
const UNCHOSEN: [&str; 2] = [
    "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
];

/// The list to offer; none where nothing is left of what was chosen. A list that begins with `+` is added
/// to those offered unasked, one with `^` put before them, one with `-` taken away.
pub(crate) fn offered(chosen: Option<&str>) -> Option<String> {
    let unasked = KNOWN.iter().copied().take(OFFERED);
    let list: Vec<&str> = match chosen.filter(|chosen| !UNCHOSEN.contains(chosen)) {
        None => unasked.collect(),
        Some(chosen) => {
            let (list, rest) = match chosen.split_at_checked(1) {
                Some((sign @ ("+" | "-" | "^"), rest)) => (rest, Some(sign)),
                _ => (chosen, None),
            };
            let named = list.split(',').filter(|name| KNOWN.contains(name));
            match rest {
                Some("+") => unasked.chain(named).collect(),
                Some("^") => named.chain(unasked).collect(),
                Some(_) => {
                    let taken = |name: &&str| !list.split(',').any(|other| other == *name);
                    unasked.filter(taken).collect()
                }
                None => named.collect(),
            }
        }
    };
    (!list.is_empty()).then(|| list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_come_first_where_nobody_chose() {
        let list = offered(None);
        assert_eq!(
            list.as_deref(),
            Some(
                "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,\
                 aes128-ctr,aes192-ctr,aes256-ctr"
            )
        );
        for unchosen in UNCHOSEN {
            assert_eq!(offered(Some(unchosen)), list);
        }
    }

    #[test]
    fn what_is_chosen_stays_in_its_order() {
        let offered = |chosen| offered(Some(chosen)).unwrap_or_default();
        assert_eq!(
            offered("aes256-ctr,blowfish-cbc,aes128-gcm@openssh.com"),
            "aes256-ctr,aes128-gcm@openssh.com"
        );
        assert_eq!(offered("blowfish-cbc"), "");
        assert!(offered("+aes128-cbc").ends_with(",aes256-ctr,aes128-cbc"));
        assert!(offered("^aes256-ctr").starts_with("aes256-ctr,aes128-gcm@openssh.com,"));
        assert_eq!(
            offered("-aes128-gcm@openssh.com,aes256-gcm@openssh.com"),
            "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
        );
    }
}
