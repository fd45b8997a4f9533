//! What a container uses, counted as the docker client counts
//! (`GET /containers/NAME/stats`).

use std::collections::HashMap;

use http::Method;
use serde::Deserialize;

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::summary::nullable;
use crate::version::ApiVersion;

/// From here on an Engine answers at once instead of waiting for a second sample.
const ONE_SHOT: ApiVersion = ApiVersion {
    major: 1,
    minor: 41,
};

/// What a container has used at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of the container, in nanoseconds.
    pub cpu: u64,
    /// Processor time of the whole host, in nanoseconds; none where the container does not run.
    pub host_cpu: Option<u64>,
    /// Processors that the container may use.
    pub processors: u64,
    /// Bytes, without the part of the file cache that can be had back at once.
    pub memory: u64,
    /// Bytes: the container's limit, or all memory of the host.
    pub memory_limit: u64,
    /// Bytes over all its networks; none where the container has none of its own.
    pub received: Option<u64>,
    /// Likewise.
    pub sent: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

impl Usage {
    /// Percent of one processor since an earlier time; none where that cannot be told, since the
    /// container was started between or does not run.
    pub fn cpu_percent(&self, earlier: &Self) -> Option<f64> {
        let host = self.host_cpu?.checked_sub(earlier.host_cpu?)?;
        let container = self.cpu.checked_sub(earlier.cpu)?;
        if host == 0 {
            return None;
        }
        Some(ratio(container, host) * ratio(self.processors, 1) * 100.0)
    }

    /// Percent of the limit; none without one.
    pub fn memory_percent(&self) -> Option<f64> {
        (self.memory_limit > 0).then(|| ratio(self.memory, self.memory_limit) * 100.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people have fewer digits than an f64"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

impl Engine {
    /// What a container has used so far. Older engines (API below 1.41) take a second or two to say.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container.
    pub async fn usage(&self, container: &str) -> Result<Usage, EngineError> {
        let operation = format!("read what container {container} uses");
        let mut path = format!(
            "/containers/{}/stats?stream=false",
            checked_name(&operation, container)?
        );
        if self.api_version() >= ONE_SHOT {
            path.push_str("&one-shot=true");
        }
        let raw: Raw = self.json(&operation, Method::GET, &path, None).await?;
        Ok(raw.into())
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default, deserialize_with = "nullable")]
    cpu_stats: Cpu,
    #[serde(default, deserialize_with = "nullable")]
    memory_stats: Memory,
    networks: Option<HashMap<String, Network>>,
    #[serde(default, deserialize_with = "nullable")]
    pids_stats: Pids,
}

#[derive(Default, Deserialize)]
struct Cpu {
    #[serde(default)]
    cpu_usage: CpuUsage,
    system_cpu_usage: Option<u64>,
    online_cpus: Option<u64>,
}

#[derive(Default, Deserialize)]
struct CpuUsage {
    #[serde(default)]
    total_usage: u64,
    #[serde(default, deserialize_with = "nullable")]
    percpu_usage: Vec<u64>,
}

#[derive(Default, Deserialize)]
struct Memory {
    #[serde(default)]
    usage: u64,
    #[serde(default)]
    limit: u64,
    #[serde(default, deserialize_with = "nullable")]
    stats: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Network {
    #[serde(default)]
    rx_bytes: u64,
    #[serde(default)]
    tx_bytes: u64,
}

#[derive(Default, Deserialize)]
struct Pids {
    current: Option<u64>,
}

impl From<Raw> for Usage {
    fn from(raw: Raw) -> Self {
        let cpu = &raw.cpu_stats;
        let per_processor = u64::try_from(cpu.cpu_usage.percpu_usage.len()).unwrap_or(0);
        let sum = |bytes: fn(&Network) -> u64| {
            let networks = raw.networks.as_ref()?;
            Some(networks.values().map(bytes).sum())
        };
        // The first is what cgroup v1 calls it, the second what v2 does.
        let inactive = ["total_inactive_file", "inactive_file"]
            .iter()
            .find_map(|name| raw.memory_stats.stats.get(*name)?.as_u64())
            .filter(|inactive| *inactive < raw.memory_stats.usage);
        Self {
            cpu: cpu.cpu_usage.total_usage,
            host_cpu: cpu.system_cpu_usage,
            processors: cpu
                .online_cpus
                .filter(|count| *count > 0)
                .unwrap_or(per_processor),
            memory: raw.memory_stats.usage - inactive.unwrap_or(0),
            memory_limit: raw.memory_stats.limit,
            received: sum(|network| network.rx_bytes),
            sent: sum(|network| network.tx_bytes),
            processes: raw.pids_stats.current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        serde_json::from_str::<Raw>(json).unwrap().into()
    }

    #[test]
    fn processor_time_is_counted_as_the_docker_client_does() {
        let at = |cpu: u64, host: u64| {
            usage(&format!(
                r#"{{"cpu_stats":{{"cpu_usage":{{"total_usage":{cpu}}},"system_cpu_usage":{host},"online_cpus":4}}}}"#
            ))
        };
        // A quarter of all four processors is one of them.
        let percent = at(2_500, 20_000).cpu_percent(&at(0, 10_000)).unwrap();
        assert!((percent - 100.0).abs() < 1e-9, "{percent}");
        // Started anew between, or no time has passed.
        assert_eq!(at(10, 20_000).cpu_percent(&at(500, 10_000)), None);
        assert_eq!(at(10, 10_000).cpu_percent(&at(5, 10_000)), None);
        assert_eq!(usage("{}").cpu_percent(&at(5, 10_000)), None);
    }

    #[test]
    fn engines_of_cgroup_v1_count_processors_and_cache_in_their_own_way() {
        let v1 = usage(
            r#"{"cpu_stats":{"cpu_usage":{"total_usage":1,"percpu_usage":[1,0]},"system_cpu_usage":1},
                "memory_stats":{"usage":1000,"limit":4000,"stats":{"total_inactive_file":200,"inactive_file":1}}}"#,
        );
        assert_eq!((v1.processors, v1.memory), (2, 800));
        assert_eq!(v1.memory_percent(), Some(20.0));
        let v2 = usage(
            r#"{"cpu_stats":{"cpu_usage":{"total_usage":1,"percpu_usage":null},"system_cpu_usage":1,"online_cpus":8},
                "memory_stats":{"usage":1000,"limit":4000,"stats":{"inactive_file":300}},
                "networks":{"eth0":{"rx_bytes":1,"tx_bytes":2},"eth1":{"rx_bytes":10,"tx_bytes":20}},
                "pids_stats":{"current":3}}"#,
        );
        assert_eq!((v2.processors, v2.memory), (8, 700));
        assert_eq!(
            (v2.received, v2.sent, v2.processes),
            (Some(11), Some(22), Some(3))
        );
    }

    #[test]
    fn a_container_that_does_not_run_uses_nothing() {
        let stopped = usage(
            r#"{"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{},"pids_stats":{}}"#,
        );
        assert_eq!(stopped, Usage::default());
        assert_eq!(stopped.memory_percent(), None);
    }
}
