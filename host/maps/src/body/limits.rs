//! Limits of a container that the engine refuses together
//! (<https://github.com/moby/moby/blob/master/daemon/daemon_unix.go>).

use serde_json::{Map, Value as Json};

use super::{BodyError, Fault};
use crate::config::ContainerConfig;

/// Refuses what the engine would refuse when the container is created.
pub(super) fn refuse(
    body: &Map<String, Json>,
    container: &ContainerConfig,
    faults: &mut Vec<Fault>,
) {
    let Some(host) = body.get("HostConfig") else {
        return;
    };
    let limit = |field: &str| host.get(field).and_then(Json::as_i64).unwrap_or_default();
    let mut tell = |option: &str, error: BodyError| {
        // What is applied later goes before.
        let options = container.create_options.iter().rev();
        let mut options = options.chain(container.host_config.iter().rev());
        let at = options.find(|one| one.name() == option).map(|one| one.at());
        faults.push(Fault { error, at });
    };
    let (memory, swap) = (limit("Memory"), limit("MemorySwap"));
    if swap > 0 && memory == 0 {
        let error = "`memswap_limit` is of memory and swap together, and means nothing without a \
                     limit of memory; give `mem_limit` as well";
        tell("memswap_limit", BodyError::Limits(error));
    } else if swap > 0 && swap < memory {
        let error = "`memswap_limit` is of memory and swap together, and less than `mem_limit`; \
                     give as much or more, or -1 for no limit";
        tell("memswap_limit", BodyError::Limits(error));
    }
    if memory > 0 && limit("MemoryReservation") > memory {
        let error = "`mem_reservation` is more than `mem_limit`; give as much or less";
        tell("mem_reservation", BodyError::Limits(error));
    }
    if limit("NanoCpus") > 0 {
        for (field, mode) in [("CpuPeriod", "`cpu_period`"), ("CpuQuota", "`cpu_quota`")] {
            if limit(field) > 0 {
                let what = "`nano_cpus`";
                tell("nano_cpus", BodyError::Conflict { what, mode });
            }
        }
    }
    let policy = host
        .get("RestartPolicy")
        .and_then(|policy| policy.get("Name"));
    let is_restarted = policy.is_some_and(|name| name != "no" && name != "");
    if is_restarted && host.get("AutoRemove").and_then(Json::as_bool) == Some(true) {
        let what = "`auto_remove`";
        let mode = "a `restart_policy`";
        tell("auto_remove", BodyError::Conflict { what, mode });
    }
}

#[cfg(test)]
mod tests {
    use crate::body::{Features, body_with_faults};
    use crate::{Client, NoSettings, load_map};

    fn told(of_a: &str) -> Vec<String> {
        let map = load_map(of_a, "map.yaml", "m", &NoSettings).unwrap().value;
        let client = Client::default_client();
        let newest = Features::for_api(1, 41);
        let (_, faults) = body_with_faults(&map, "a", None, &client, &newest);
        let told = faults.iter().map(|fault| {
            let at = fault.at.unwrap_or_default();
            format!("{}:{}: {}", at.line, at.column, fault.error)
        });
        told.collect()
    }

    #[test]
    fn limits_that_cannot_be_together_are_told_where_they_are_written() {
        for (options, begins) in [
            (
                "{memswap_limit: 64m}",
                "2:32: `memswap_limit` is of memory and swap together, and means nothing",
            ),
            (
                "{memswap_limit: 63m, mem_limit: 64m}",
                "2:32: `memswap_limit` is of memory and swap together, and less",
            ),
            (
                "{mem_limit: 64m, mem_reservation: 65m}",
                "2:50: `mem_reservation` is more than `mem_limit`",
            ),
            (
                "{nano_cpus: 1000, cpu_quota: 5000}",
                "2:28: `nano_cpus` cannot go with `cpu_quota`",
            ),
            (
                "{auto_remove: true, restart_policy: {Name: always}}",
                "2:30: `auto_remove` cannot go with a `restart_policy`",
            ),
        ] {
            let told = told(&format!("a:\n  host_config: {options}\n"));
            assert_eq!(told.len(), 1, "{options}: {told:?}");
            assert!(
                told.iter().all(|told| told.starts_with(begins)),
                "{options}: {told:?}"
            );
        }
    }

    #[test]
    fn limits_that_go_together_are_not_told() {
        for options in [
            "{memswap_limit: -1}",
            "{memswap_limit: 0}",
            "{memswap_limit: 64m, mem_limit: 64m, mem_reservation: 64m}",
            "{mem_limit: 64m, memswap_limit: -1}",
            "{mem_reservation: 64m}",
            "{cpu_period: 10000, cpu_quota: 5000}",
            "{auto_remove: true, restart_policy: {Name: 'no'}}",
        ] {
            let told = told(&format!("a:\n  host_config: {options}\n"));
            assert_eq!(told, Vec::<String>::new(), "{options}");
        }
    }

    /// The option that is given in the end may be inherited, and the other one one's own.
    #[test]
    fn inherited_limits_are_told_where_they_are_written() {
        let text = "base: {abstract: true, host_config: {memswap_limit: 64m}}\n\
                    a: {extends: base, create_options: {mem_limit: 128m}}\n";
        let told = told(text);
        assert!(
            told.iter().all(|told| told.starts_with("1:53: ")),
            "{told:?}"
        );
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
