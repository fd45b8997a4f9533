//! What a component sees of the world by the standard library, which is WASI.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// All of it in one line: what must be the same for every component first.
#[expect(clippy::disallowed_methods, reason = "it is tried, and must fail")]
pub fn seen() -> String {
    let is = |done: bool| if done { "yes" } else { "no" };
    let (environment, arguments) = (std::env::vars().count(), std::env::args().count());
    let read = is(fs::read("/etc/passwd").is_ok()
        || fs::read_dir("/").is_ok()
        || fs::read_dir(".").is_ok());
    let written = is(fs::write("/tmp/seen", "seen").is_ok() || fs::write("seen", "seen").is_ok());
    let connection = is(TcpStream::connect("127.0.0.1:22").is_ok());
    let listener = is(TcpListener::bind("127.0.0.1:0").is_ok());
    let datagrams = is(UdpSocket::bind("127.0.0.1:0").is_ok());
    let lookup = is(("localhost", 22).to_socket_addrs().is_ok());
    let input = std::io::stdin().read_to_end(&mut Vec::new()).unwrap_or(0);
    format!(
        "environment {environment}, arguments {arguments}, input {input}, read {read}, written {written}, \
         connection {connection}, listener {listener}, datagrams {datagrams}, lookup {lookup}; {}",
        chance()
    )
}

/// What only a component has that is not pure.
fn chance() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.map_or(0, |since| since.as_secs());
    let start = Instant::now();
    let mut number = 0_u64;
    for step in 0..100_000_u64 {
        number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(step));
    }
    let later = start.elapsed().as_nanos();
    let random = RandomState::new().hash_one(number);
    format!("{time} s, {later} ns later, random {random}")
}

/// Waits: how much can be computed meanwhile would be a clock.
pub fn wait() {
    std::thread::sleep(Duration::from_millis(1));
}
