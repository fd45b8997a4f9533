use super::layout::Rect;
use super::svg::laid_out;
use super::*;
use crate::load_map;

struct Nothing;

impl crate::Settings for Nothing {
    fn setting(&self, _: &str) -> Option<serde_json::Value> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn picture(texts: &[&str]) -> Picture {
    let load = |text: &&str| {
        let map = load_map(text, "m.yaml", "m", &Nothing);
        map.unwrap_or_else(|error| panic!("{error}")).value
    };
    Picture::new(&Project::new(texts.iter().map(load).collect()).unwrap())
}

const SHOP: &str = "\
name: shop
web: {image: nginx, uses: socket, networks: [front], exposes: {80: 8080}}
app:
  instances: [blue, green]
  attaches: socket
  links: {db: database}
  networks: {back: [app], front: null}
db: {image: 'postgres:15', attaches: {data: /var/lib/data}, networks: back}
probe: {image: busybox, network_mode: web}
volumes: {socket: /run/app}
networks: {front: null, back: {internal: true}}
";

/// Fifty containers: chains, shared volumes, two networks that everything is in, and some alone.
fn fifty() -> Picture {
    let mut text = String::from("name: fifty\nnetworks: {front: null, back: null}\n");
    for index in 0..50_usize {
        let mut keys = vec!["image: x".to_owned()];
        if index % 7 == 0 {
            keys.push(format!("attaches: {{data_{index}: /data}}"));
        } else if index % 3 == 0 {
            keys.push(format!("uses: [data_{}]", index / 7 * 7));
        }
        if index > 10 && index % 4 != 0 {
            keys.push(format!(
                "links: [service_{}, service_{}]",
                index / 2,
                index - 9
            ));
        }
        match index % 5 {
            0 => keys.push("networks: [front, back]".to_owned()),
            1 | 2 => keys.push("networks: [back]".to_owned()),
            _ => {}
        }
        text += &format!("service_{index}: {{{}}}\n", keys.join(", "));
    }
    picture(&[&text])
}

#[test]
fn tmp_write() {
    std::fs::write("/tmp/shop.svg", picture(&[SHOP]).svg()).unwrap();
    std::fs::write("/tmp/two.svg", picture(&[SHOP, "name: b<&\"\na: {links: [b, a]}\nb: {links: c}\nc: {links: a, instances: [x, y]}\nlonely: {}\nother: {}\n"]).svg()).unwrap();
    std::fs::write("/tmp/fifty.svg", fifty().svg()).unwrap();
    println!("{}\n{}", picture(&[SHOP]).dot(), picture(&[SHOP]).mermaid());
}
