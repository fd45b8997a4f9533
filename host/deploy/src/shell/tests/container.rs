//! The line that creates a container.

use serde_json::{Value, json};

use super::lines;
use crate::plan::Work;

fn create(body: &Value) -> String {
    lines(Work::CreateContainer { body: body.clone() })
}

#[test]
fn a_container_has_all_its_fields() {
    let body = json!({
        "Image": "web:1",
        "Hostname": "web",
        "User": "33:33",
        "Env": ["A=b c", "Q=it's", "GONE", "PATH"],
        "Labels": { "dfab.map": "m", "empty": "", "a=b": "c", "x y": "z" },
        "Volumes": { "/v": {}, "/b": {} },
        "OpenStdin": true,
        "Tty": false,
        "Healthcheck": { "Test": ["CMD-SHELL", "test -f /ok"], "Interval": 90_000_000_000_i64, "Retries": 3 },
        "Entrypoint": ["/bin/a", "-x"],
        "Cmd": ["b c", "--name=d"],
        "NetworkingConfig": { "EndpointsConfig": { "app": {
            "Aliases": ["w"], "Links": ["db:db"], "IPAMConfig": { "IPv4Address": "10.1.0.9" },
        } } },
        "HostConfig": {
            "NetworkMode": "app",
            "Links": ["db:db", "old:old"],
            "Binds": ["/b:/b:ro"],
            "PortBindings": {
                "80/tcp": [{ "HostIp": "::1", "HostPort": "8080" }, { "HostPort": "" }],
                "53/udp": [{ "HostIp": "127.0.0.1", "HostPort": "" }],
            },
            "Init": false,
            "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }, { "Name": "core", "Soft": 0 }],
            "Devices": [{ "PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r" }],
            "BlkioDeviceReadBps": [{ "Path": "/dev/sda", "Rate": 1000 }],
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m" } },
            "Tmpfs": { "/run": "", "/tmp": "size=1m" },
            "SecurityOpt": ["no-new-privileges", "seccomp={}"],
            "Mounts": [{
                "Type": "volume", "Source": "s", "Target": "/x,y", "ReadOnly": true,
                "VolumeOptions": {
                    "NoCopy": true, "Labels": { "a": "b" },
                    "DriverConfig": { "Name": "local", "Options": { "o": "p" } },
                },
                "Other": 1,
            }],
            "DeviceRequests": [
                { "Count": -1, "Capabilities": [["gpu", "utility", "compute"]] },
                { "Driver": "cdi", "DeviceIDs": ["x"] },
            ],
            "CpuCount": 2,
        },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # not expressed: Env PATH is to be taken out
    # not expressed: Labels.a=b "c"
    # not expressed: Labels.x y "z"
    # the client has standard input closed after the first who attaches to it
    # not expressed: SecurityOpt "seccomp={}"
    # not expressed: Mounts.Other 1
    # not expressed: DeviceRequests {"Driver":"cdi","DeviceIDs":["x"]}
    # not expressed: CpuCount 2
    # not expressed: HostConfig.Links "old:old"
    # the client takes one word as the entry point: the others begin the command
    env -u GONE docker create --name=web --hostname=web --user=33:33 --env='A=b c' --env='Q=it'\''s' \
        --env=GONE --label='dfab.map=m' --label='empty=' --volume=/v --volume=/b --interactive \
        --health-cmd='test -f /ok' --health-interval=90s --health-retries=3 --volume=/b:/b:ro \
        --publish='[::1]:8080:80/tcp' --publish=80/tcp --publish=127.0.0.1::53/udp --init=false \
        --ulimit='nofile=10:20' --ulimit='core=0' --device=/dev/a:/dev/b:r \
        --device-read-bps=/dev/sda:1000 --log-driver=json-file --log-opt='max-size=1m' --tmpfs=/run \
        --tmpfs='/tmp:size=1m' --security-opt=no-new-privileges \
        --mount='type=volume,source=s,"target=/x,y",readonly,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=o=p' \
        --gpus='count=all,"capabilities=utility,compute"' --network=app --network-alias=w --link=db:db \
        --ip=10.1.0.9 --entrypoint=/bin/a web:1 -x 'b c' --name=d
    "#);
}

#[test]
fn a_check_without_a_shell_is_one_with_a_shell() {
    let body = json!({
        "Image": "web", "Entrypoint": "/bin/a",
        "Healthcheck": { "Test": ["CMD", "curl", "a b", "{c,d}"], "Timeout": 1_500_000_000, "Interval": 1 },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # the client knows checks by the container's shell only, this is without: `dfab update` makes the container anew for it
    docker create --name=web --health-cmd='curl '\''a b'\'' '\''{c,d}'\''' --health-interval=1ns \
        --health-timeout=1500ms --entrypoint=/bin/a web
    "#);
}

#[test]
fn what_is_not_in_its_form_is_told() {
    let body = json!({
        "Image": "web", "Env": { "A": "b" }, "Cmd": [["x"]], "Tty": "yes",
        "Healthcheck": { "Test": ["NONE"], "Retries": 2 },
        "NetworkDisabled": true,
        "HostConfig": {
            "Mounts": ["/a:/b"], "LogConfig": "syslog", "PortBindings": [80], "Memory": [1],
            "NetworkMode": "host", "RestartPolicy": { "Name": "always", "Delay": 1 },
        },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # not expressed: Env {"A":"b"}
    # not expressed: Tty "yes"
    # not expressed: Healthcheck.Retries 2
    # not expressed: Mounts "/a:/b"
    # not expressed: LogConfig "syslog"
    # not expressed: PortBindings [80]
    # not expressed: Memory [1]
    # not expressed: RestartPolicy.Delay 1
    # not expressed: HostConfig.NetworkMode "host"
    # not expressed: Cmd [["x"]]
    docker create --name=web --no-healthcheck --restart=always --network=none web
    "#);
}
