//! A policy component that looks for all that a policy must not know.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/policy-plugin", generate_all });

use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dfab::policy::planning::{ActionInfo, Request, Step};
use exports::dfab::policy::policy::{Error, Guest};

struct Curious;

impl Guest for Curious {
    fn actions() -> Vec<ActionInfo> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.map_or(0, |since| since.as_secs());
        let start = Instant::now();
        let mut number = 0_u64;
        for step in 0..100_000_u64 {
            number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(step));
        }
        let later = start.elapsed().as_nanos();
        let (environment, arguments) = (std::env::vars().count(), std::env::args().count());
        let is = |done: bool| if done { "yes" } else { "no" };
        let file = is(std::fs::read("/etc/passwd").is_ok() || std::fs::read_dir("/").is_ok());
        let connection = is(std::net::TcpStream::connect("127.0.0.1:22").is_ok());
        let random = RandomState::new().hash_one(number);
        vec![ActionInfo {
            name: "look".to_owned(),
            summary: format!(
                "{time} s, {later} ns later, environment {environment}, arguments {arguments}, file {file}, \
                 connection {connection}, random {random}"
            ),
            options: Vec::new(),
            walk: dfab::policy::planning::Walk::Dependencies,
            compares: false,
        }]
    }

    fn plan(_: Request) -> Result<Vec<Step>, Error> {
        Ok(Vec::new())
    }
}

export!(Curious);
