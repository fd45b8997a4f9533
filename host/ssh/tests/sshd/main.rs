//! Sessions with a real sshd, which runs on a loopback port and needs no privileges.

#[cfg(test)]
mod breaks;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod login;
#[cfg(test)]
mod security_keys;
#[cfg(test)]
mod server;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod ways;
