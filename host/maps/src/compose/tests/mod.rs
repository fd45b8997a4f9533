mod creation;
mod properties;

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    BodyError, Client, Features, Item, Loaded, Planned, Project, ResolvedMap, Settings, Walk,
    container_body, endpoint_body, format_map, load_map, network_body, volume_body,
};

struct Values;

impl Settings for Values {
    fn setting(&self, name: &str) -> Option<Json> {
        Some(if name.contains("PORT") {
            json!(8080)
        } else {
            json!("value")
        })
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn imported(text: &str) -> Imported {
    import_compose(text, "compose.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn notes(imported: &Imported) -> String {
    let notes: Vec<String> = imported.notes.iter().map(Note::to_string).collect();
    notes.join("\n")
}

fn loaded(map: &str) -> ResolvedMap {
    let loaded = load_map(map, "map.yaml", "shop", &Values);
    let Loaded { value, warnings } = loaded.unwrap_or_else(|error| panic!("{error}\n{map}"));
    assert_eq!(warnings, [], "{map}");
    value
}

/// The map is in its canonical form and loads, nothing needs itself, and every body can be made but
/// those of which the engine would not take the names, or things together, from Compose either.
fn bodies(map: &str) -> Vec<(String, Json)> {
    assert_eq!(format_map(map, "map.yaml").unwrap(), map);
    // What a map does not fill in, its user does.
    let filled = map.replace("${REGISTRY:-docker.io}/web:$TAG", "registry/web:1");
    let project = Project::new(vec![loaded(&filled)]).unwrap();
    let all = project.select(&["__all__".to_owned()]).unwrap();
    let planned = project.walk(&all, Walk::Dependencies);
    let planned = planned.unwrap_or_else(|error| panic!("{error}\n{map}"));
    let client = Client {
        interfaces: [("local".to_owned(), "127.0.0.1".to_owned())].into(),
        interfaces_ipv6: [("local".to_owned(), "::1".to_owned())].into(),
        ..Client::default_client()
    };
    let body = |planned: &Planned<'_>| {
        let map = planned.map;
        let body = match &planned.item {
            Item::Container { config, instance } => {
                let features = Features::for_api(1, 41);
                match container_body(map, config, instance.as_deref(), &client, &features) {
                    Ok(body) => body,
                    // What is wrong in the Compose file stays so.
                    Err(
                        BodyError::Image(_)
                        | BodyError::Name(_)
                        | BodyError::User(_)
                        | BodyError::Conflict { .. }
                        | BodyError::Limits(_)
                        | BodyError::HostName(_)
                        | BodyError::MountedTwice(_)
                        | BodyError::PortTwice { .. },
                    ) => return None,
                    Err(error) => panic!("{error}"),
                }
            }
            Item::Volume { owner, alias } => volume_body(map, owner, alias).unwrap(),
            Item::Network { name } => network_body(map, name).unwrap(),
            Item::Image { .. } => return None,
        };
        Some((map.engine_name(&planned.item), body))
    };
    planned.iter().filter_map(body).collect()
}

const SHOP: &str = "\
name: shop
services:
  web:
    image: nginx:1.27
    ports: ['80:80', '443:443']
    volumes: [./nginx:/etc/nginx:ro, 'socket:/run/app:ro']
    depends_on: [app]
  app:
    image: app
    environment: {TZ: UTC, DATABASE: postgres://db/shop}
    volumes: ['socket:/run/app']
    depends_on: {db: {condition: service_started}}
    restart: unless-stopped
  db:
    image: postgres:15
    volumes: ['data:/var/lib/postgresql/data']
    environment: [POSTGRES_PASSWORD=$PASSWORD]
    healthcheck: {test: pg_isready, interval: 1m30s}
volumes: {data: , socket: }
";

#[test]
fn a_usual_file_becomes_a_map() {
    let imported = imported(SHOP);
    insta::assert_snapshot!(imported.map, @r#"
    name: shop

    containers:
      web:
        image: nginx:1.27
        binds:
          /etc/nginx: [nginx, ro]
        uses: {socket: ro}
        exposes: {80: 80, 443: 443}
        networks:
          default: {aliases: web, links: app}
      app:
        image: app
        attaches: socket
        networks:
          default: {aliases: app, links: db}
        create_options:
          environment: {TZ: UTC, DATABASE: postgres://db/shop}
        host_config:
          restart_policy: {Name: unless-stopped}
      db:
        image: postgres:15
        attaches: data
        networks: {default: db}
        healthcheck: {test: pg_isready, interval: 90s}
        create_options:
          environment: {POSTGRES_PASSWORD: !env PASSWORD}

    volumes:
      data: /var/lib/postgresql/data
      socket: /run/app

    networks:
      default: null
    "#);
    bodies(&imported.map);
}

#[test]
fn what_a_usual_file_leaves_to_do_is_noted() {
    insta::assert_snapshot!(notes(&imported(SHOP)), @r#"
    line 6: relative paths on the host are below host_root, which the map does not set
      help: set host_root to the folder on the host where the files are
    line 17: the variable PASSWORD becomes a setting
      help: set it under `settings` in dfab.yaml, or give --set PASSWORD=VALUE
    line 19: volumes are named after the map; what those of Compose hold is not taken over
      help: copy it, or make the volumes external here and import again
    "#);
}

/// A file that has about everything that Compose knows.
const EVERYTHING: &str = include_str!("everything.yaml");

#[test]
fn everything_that_has_a_counterpart_is_in_the_map() {
    let imported = imported(EVERYTHING);
    insta::assert_snapshot!(imported.map, @r#"
    x-common: {restart: false}
    name: !env PROJECT

    containers:
      web:
        image: ${REGISTRY:-docker.io}/web:$TAG
        shares: [/anonymous, /unnamed]
        binds:
          /bind: relative
          /home: !path ~/home
          /var: ${DATA_DIR}/x
          /long: [/abs, ro]
        attaches: cache
        uses:
          - [data, ro]
          - [data, /twice]
        exposes:
          - [22, 22]
          - 3000
          - [9000, 8000]
          - [9001, 8001]
          - [9002, 8002]
          - [443, 8443, local]
          - [443, 8443, local, true]
          - [8081, !env HTTP_PORT]
          - [8082/udp, 8082]
          - [53/udp, "5300-5310"]
          - 80
        stop_timeout: 90
        stop_signal: SIGQUIT
        networks:
          front:
            aliases: [web, shop-web, www]
            ipv4_address: 10.1.0.5
          back:
            aliases: [web, shop-web]
            links: {db: database, app.1: app, app.2: app}
        create_options:
          command: sh -c 'echo $HOME'
          entrypoint: [/entry, --verbose]
          environment: {DEBUG: "yes", TOKEN: !env TOKEN, URL: http://$HOST/}
          labels: {traffic.port: "80", traffic.rule: Host(`a`)}
          hostname: www
          domainname: example.org
          user: "1000:1000"
        host_config:
          restart_policy: {Name: "no"}
          tmpfs: {/tmp: "size=64m,mode=1777", /run: size=1m}
          binds: [existing:/existing:ro]
      app:
        image: app@sha256:0123
        instances: ["1", "2"]
        attaches: data
        networks:
          back: {aliases: app, links: db}
        exec_commands:
          - [./migrate.sh, root]
        healthcheck:
          test: [CMD, curl, -f, localhost]
          interval: 10s
          timeout: 1500ms
          retries: 3
          start_period: 60s
        create_options:
          tty: true
          stdin_open: true
          working_dir: /srv
        host_config:
          cap_add: [NET_ADMIN]
          cap_drop: [ALL]
          devices: [/dev/ttyUSB0:/dev/tty0:rw, /dev/a:/dev/b:r]
          dns: [10.0.0.1]
          dns_search: [example.org]
          dns_opt: [use-vc]
          extra_hosts: [a:10.0.0.1, b:10.0.0.2, b:::2]
          ulimits:
            - {Name: nproc, Soft: 65535, Hard: 65535}
            - {Name: nofile, Soft: 20000, Hard: 40000}
          sysctls: {net.core.somaxconn: "1024"}
          security_opt: [no-new-privileges:true]
          group_add: [audio, "100"]
          privileged: true
          read_only: true
          init: true
          mem_limit: 1610612736
          memswap_limit: -1
          cpu_period: 100000
          cpu_quota: 50000
          shm_size: 64m
          pid_mode: host
          ipc_mode: shareable
          log_config:
            Type: json-file
            Config: {max-size: 10m}
        x-mine:
          free: [1, two]
      db:
        image: postgres
        stop_timeout: 1
        networks: {back: db}
        create_options:
          user: postgres
        host_config:
          blkio_weight: 300
          device_read_bps:
            - {Path: /dev/sda, Rate: 12582912}
          restart_policy: {Name: on-failure, MaximumRetryCount: 3}
          cpu_period: 100000
          cpu_quota: 25000
          mem_limit: 128m
          pids_limit: 100
          mem_reservation: 64m
          device_requests:
            - Driver: nvidia
              Count: -1
              Capabilities:
                - [gpu]
          binds: [existing:/var/lib]
      sidecar:
        image: busybox
        uses: {app.1: ro, app.2: ro}
        network_mode: app.1
        healthcheck: NONE
        host_config:
          volumes_from: [other:ro]
          restart_policy: {Name: on-failure, MaximumRetryCount: 5}
      lone:
        network_mode: host
      outside:
        image: x
        host_config:
          network_mode: corp

    volumes:
      data:
        default_path: /data
        driver: local
        driver_options: {type: nfs, o: addr=10.0.0.1}
        create_options:
          labels: {a: b}
      cache: /cache

    networks:
      front:
        driver: bridge
        driver_options: {com.docker.network.bridge.name: br0}
        create_options:
          ipam:
            Driver: default
            Config:
              - {Subnet: 10.1.0.0/16, Gateway: 10.1.0.1, AuxiliaryAddresses: {a: 10.1.0.2}}
          labels: {tier: front}
      back:
        internal: true
        create_options: {attachable: true}
    "#);
}

#[test]
fn everything_that_has_none_is_noted() {
    insta::assert_snapshot!(notes(&imported(EVERYTHING)), @r#"
    line 1: a map has nothing like the section version; it is left out
      help: nothing to do: Compose does not read it any more either
    line 2: the variable PROJECT becomes a setting
      help: set it under `settings` in dfab.yaml, or give --set PROJECT=VALUE
    line 6: web publishes ports on 127.0.0.1, for which a map names an interface
      help: give the client in the client file interfaces: {local: '127.0.0.1'}
    line 6: web publishes ports on ::1, for which a map names an interface
      help: give the client in the client file interfaces_ipv6: {local: '::1'}
    line 8: ${REGISTRY:-docker.io}/web:$TAG has variables, which a map does not fill in; it is kept as it is
      help: write the value that is meant, or make it one setting as a whole: !env NAME
    line 9: dfab names containers after the map: web is not called shop-web
      help: in its networks it is reached by that name all the same; elsewhere, use MAP.CONTAINER
    line 10: a map has nothing like build of web; it is left out
      help: build the image and push it, and name it under `image`
    line 15: the variable TOKEN becomes a setting
      help: set it under `settings` in dfab.yaml, or give --set TOKEN=VALUE
    line 16: http://$HOST/ has variables, which a map does not fill in; it is kept as it is
      help: write the value that is meant, or make it one setting as a whole: !env NAME
    line 17: a map has nothing like env_file of web; it is left out
      help: write its variables under create_options.environment; `docker compose config` shows them
    line 21: 3000 is published on a port that the engine chooses; in the map it is only exposed
      help: choose one: {3000: HOST_PORT}
    line 25: the variable HTTP_PORT becomes a setting
      help: set it under `settings` in dfab.yaml, or give --set HTTP_PORT=VALUE
    line 26: ${ADMIN_PORT:-8082} has a default, which a map does not know; 8082 is taken
      help: to choose it anew each time, write !env ADMIN_PORT
    line 27: the port a${B} has variables, which a map does not fill in; it is left out
      help: write the value that is meant
    line 28: a port's mode means nothing to an engine; it is left out
      help: nothing to do without Swarm
    line 32: relative paths on the host are below host_root, which the map does not set
      help: set host_root to the folder on the host where the files are
    line 34: ${DATA_DIR}/x has variables, which a map does not fill in; it is kept as it is
      help: write the value that is meant, or make it one setting as a whole: !env NAME
    line 35: a map has nothing like the option z of data:/data:ro,z; it is left out
      help: if you need it, write the mount under host_config.mounts, as the Engine API takes it
    line 37: a map has nothing like the option propagation of /long; it is left out
      help: if you need it, write the mount under host_config.mounts, as the Engine API takes it
    line 41: the mount of /pipe has the type "npipe", which a map has not; it is left out
      help: write it under host_config.mounts, as the Engine API takes it
    line 45: a map has nothing like priority of the network front; it is left out
      help: the first network of a container goes before; change the order if it matters
    line 48: web waits until app is service_healthy; dfab only starts it before
      help: let web try again until app answers, or give app a start_delay
    line 48: web is to be restarted with app; dfab does not do that by itself
      help: restart both by name
    line 55: a map has nothing like profiles of web; it is left out
      help: name the containers when you start some only; a group of the map stands for several
    line 61: there is no service missing, which app needs; it is left out
      help: look whether it is misspelt
    line 62: a map has nothing like start_interval of the health check of app; it is left out
      help: nothing to do, unless the container relies on it
    line 65: vendor.com/gpu=0 is no device on a host but one of a driver; it is left out
      help: write it under host_config.device_requests
    line 87: a map has nothing like secrets of app; it is left out
      help: put the file on the host and bind it read-only, or write the value as !env NAME
    line 88: a map has nothing like configs of app; it is left out
      help: put the file on the host and bind it
    line 89: a map has nothing like develop of app; it is left out
      help: nothing to do: it is for `docker compose watch`
    line 90: a map has nothing like privileged of a command after the start of app; it is left out
      help: let the command see to it itself
    line 92: Compose has no unknown of a service; it is left out of app
      help: look whether it is misspelt
    line 98: ${GRACE:-500ms} has a default, which a map does not know; 500ms is taken
      help: to choose it anew each time, write !env GRACE
    line 101: a map has nothing like deploy.labels of db; it is left out
      help: they are labels of a Swarm service; write create_options.labels for containers
    line 102: a map has nothing like delay of the restart policy of db; it is left out
      help: nothing to do without Swarm
    line 105: a map has nothing like deploy.resources.reservations.cpus of db; it is left out
      help: nothing to do without Swarm
    line 107: a map has nothing like annotations of db; it is left out
      help: labels under create_options may do
    line 110: app has 2 instances; the network of the first is shared
      help: name another one if that is meant
    line 111: db has no volumes of the map that could be used; they are left out
      help: write host_config.volumes_from: [MAP.db], or bind what is meant
    line 114: lone has no image; in a map that is the image lone
      help: name the image under `image`
    line 116: lone needs db, and is in no network with it; the map does not say so
      help: put both in one network, or start them by name, one after another
    line 117: a map has nothing like external_links of lone; it is left out
      help: put both containers in one network, or write it under host_config.links
    line 120: the network theirs is not the map's; outside joins it, and is not reached there by its name
      help: use its name on the engine, MAP.CONTAINER
    line 121: the health check of outside changes the image's own, which a map cannot; it is left out
      help: write the image's test down as well
    line 128: a map has nothing like name of the network front; it is left out
      help: dfab names networks after the map; what is to join it from outside, joins MAP.NETWORK
    line 132: a map has nothing like name of the volume data; it is left out
      help: dfab names volumes after the map; make it external here to use the one that is there
    line 132: volumes are named after the map; what those of Compose hold is not taken over
      help: copy it, or make the volumes external here and import again
    line 135: no service mounts the volume spare; it is left out
      help: nothing to do
    line 136: a map has nothing like the section secrets; it is left out
      help: put the files on the host and bind them
    line 137: a map has nothing like the section configs; it is left out
      help: put the files on the host and bind them
    line 138: a map has nothing like the section include; it is left out
      help: import what `docker compose config` prints: there it is filled in
    "#);
}

#[test]
fn a_map_of_everything_loads_and_keeps_to_the_schema() {
    let imported = imported(EVERYTHING);
    assert!(bodies(&imported.map).len() > 8);
    let schema = jsonschema::draft202012::new(&crate::map_schema()).unwrap();
    let mut report = Report::new("map.yaml");
    let document = tree::read(&imported.map, &Values, &mut report)
        .unwrap()
        .json();
    let errors: Vec<String> = schema
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn services_that_need_each_other_are_told() {
    let text = "services: {a: {image: x, links: [b]}, b: {image: x, depends_on: [a]}}";
    let imported = imported(text);
    assert!(notes(&imported).contains("b and a need each other"));
    bodies(&imported.map);
}

/// Words that YAML 1.1 takes for something else are what Compose reads.
#[test]
fn yaml_1_1_does_not_get_in_the_way() {
    let text = "services: {a: {image: x, restart: no, user: 0755, environment: {ON: yes, A: 1.10, B: 22:22}, ports: [3000:30]}}";
    let bodies = bodies(&imported(text).map);
    let a = &bodies.last().unwrap().1;
    assert_eq!(a["Env"], json!(["ON=yes", "A=1.10", "B=22:22"]));
    assert_eq!(
        a["HostConfig"]["PortBindings"],
        json!({ "30/tcp": [{ "HostPort": "3000" }] })
    );
    assert_eq!(a["User"], json!("0755"));
}

#[test]
fn what_is_no_compose_file_is_an_error() {
    let error = |text: &str| {
        import_compose(text, "compose.yaml")
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(error("web: {image: x}\n"), @r#"
    compose.yaml:1:1: error: this is no Compose file: it has no services
      help: old files without a section `services` must be brought up to date first
    "#);
    assert!(error("services: [a]").contains("services are a mapping, not a list"));
    assert!(error("services: {").contains("this is no YAML"));
    assert!(error("").contains("it has no services"));
}
