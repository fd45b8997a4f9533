use proptest::prelude::*;

use super::layout::{Columns, Layout, Line, Point, Rect, Size};
use super::stubs::Stub;
use super::svg::{Drawing, laid_out};
use super::*;
use crate::NoSettings;
use crate::load_map;

fn picture(texts: &[&str]) -> Picture {
    let load = |text: &&str| {
        let map = load_map(text, "m.yaml", "m", &NoSettings);
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

fn is_on_border(point: Point, place: &Rect) -> bool {
    let near = |one: f64, other: f64| (one - other).abs() < 0.01;
    (near(point.x, place.x) || near(point.x, place.x + place.width))
        && point.y >= place.y
        && point.y <= place.y + place.height
}

fn is_inside(point: Point, place: &Rect) -> bool {
    point.x > place.x + 0.01
        && point.x < place.x + place.width - 0.01
        && point.y > place.y + 0.01
        && point.y < place.y + place.height - 0.01
}

/// Everything that must hold of a layout, whatever is laid out.
fn check(laid: &Layout, edges: &[(usize, usize)], is_cut: &[bool]) {
    for (index, one) in laid.boxes.iter().enumerate() {
        assert!(one.x >= -0.01 && one.y >= -0.01, "{one:?} is outside");
        let (right, bottom) = (one.x + one.width, one.y + one.height);
        assert!(
            right <= laid.width + 0.01 && bottom <= laid.height + 0.01,
            "{one:?} is outside"
        );
        for other in &laid.boxes[index + 1..] {
            let apart = right <= other.x
                || other.x + other.width <= one.x
                || bottom <= other.y
                || other.y + other.height <= one.y;
            assert!(apart, "{one:?} and {other:?} overlap");
        }
    }
    assert_eq!(laid.routes.len(), edges.len());
    assert_eq!(is_cut.len(), edges.len());
    for ((&(from, to), route), is_cut) in edges.iter().zip(&laid.routes).zip(is_cut) {
        if from == to || *is_cut {
            assert!(route.is_empty());
            continue;
        }
        let (first, last) = (*route.first().unwrap(), *route.last().unwrap());
        assert!(is_on_border(first, &laid.boxes[from]), "{from} to {to}");
        assert!(is_on_border(last, &laid.boxes[to]), "{from} to {to}");
        for point in route {
            assert!(point.x >= -0.01 && point.x <= laid.width + 0.01);
            assert!(point.y >= -0.01 && point.y <= laid.height + 0.01);
            let mut boxes = laid.boxes.iter();
            assert!(!boxes.any(|place| is_inside(*point, place)), "{point:?}");
        }
    }
}

fn check_group(group: &Group) {
    let edges: Vec<_> = group
        .edges
        .iter()
        .map(|edge| (edge.from, edge.to))
        .collect();
    let drawing = laid_out(group);
    check(&drawing.layout, &edges, &drawing.is_stub);
    // What has no line has its name, or a number, at both ends.
    for (edge, _) in group.edges.iter().zip(&drawing.is_stub).filter(|it| *it.1) {
        let details = edge.details.join("\n");
        let leaves = |stub: &Stub| {
            !stub.is_arriving && stub.label == group.nodes[edge.to].label && stub.details == details
        };
        assert!(drawing.stubs[edge.from].iter().any(leaves), "{details}");
        let arrives = |stub: &Stub| stub.is_arriving && stub.details.contains(&details);
        assert!(drawing.stubs[edge.to].iter().any(arrives), "{details}");
    }
}

#[test]
fn a_small_map_in_the_language_of_graphviz() {
    insta::assert_snapshot!(picture(&[SHOP]).dot(), @r#"
    digraph dfab {
      rankdir=LR;
      node [fontname="sans-serif", fontsize=11];
      edge [fontname="sans-serif", fontsize=9];
      subgraph cluster_1 {
        label="shop";
        container_1_1 [label="web", shape=box, tooltip="shop.web\nimage nginx:latest\nport 80, published as 8080"];
        container_1_2 [label="app ×2", shape=box, tooltip="shop.app.blue\nshop.app.green\nimage app:latest"];
        container_1_3 [label="db", shape=box, tooltip="shop.db\nimage postgres:15"];
        container_1_4 [label="probe", shape=box, tooltip="shop.probe\nimage busybox:latest"];
        volume_1_5 [label="socket", shape=cylinder, tooltip="volume shop.socket"];
        volume_1_6 [label="data", shape=cylinder, tooltip="volume shop.data"];
        network_1_7 [label="front", shape=box, style="rounded,dashed", tooltip="network shop.front"];
        network_1_8 [label="back", shape=box, style="rounded,dashed", tooltip="network shop.back\ninternal"];
        container_1_1 -> network_1_7 [label=network, style=dotted, edgetooltip="web is in the network front"];
        container_1_1 -> volume_1_5 [label=uses, style=dashed, edgetooltip="web uses socket at /run/app"];
        container_1_2 -> network_1_8 [label=network, style=dotted, edgetooltip="app is in the network back, as app"];
        container_1_2 -> network_1_7 [label=network, style=dotted, edgetooltip="app is in the network front"];
        container_1_2 -> container_1_3 [label=link, style=solid, edgetooltip="app links db, as database"];
        container_1_2 -> volume_1_5 [label=attaches, style=solid, arrowhead=dot, edgetooltip="app attaches socket at /run/app"];
        container_1_3 -> network_1_8 [label=network, style=dotted, edgetooltip="db is in the network back"];
        container_1_3 -> volume_1_6 [label=attaches, style=solid, arrowhead=dot, edgetooltip="db attaches data at /var/lib/data"];
        container_1_4 -> container_1_1 [label=network_mode, style=bold, edgetooltip="probe has the network stack of web"];
        container_1_1 -> container_1_2 [style=invis];
      }
    }
    "#);
}

#[test]
fn a_small_map_in_the_language_of_mermaid() {
    insta::assert_snapshot!(picture(&[SHOP]).mermaid(), @r#"
    flowchart LR
      subgraph map1["shop"]
        container_1_1["web"]
        container_1_2["app ×2"]
        container_1_3["db"]
        container_1_4["probe"]
        volume_1_5[("socket")]
        volume_1_6[("data")]
        network_1_7(["front"])
        network_1_8(["back"])
      end
      container_1_1 -.->|network| network_1_7
      container_1_1 -->|uses| volume_1_5
      container_1_2 -.->|network| network_1_8
      container_1_2 -.->|network| network_1_7
      container_1_2 -->|link| container_1_3
      container_1_2 --o|attaches| volume_1_5
      container_1_3 -.->|network| network_1_8
      container_1_3 --o|attaches| volume_1_6
      container_1_4 ==>|network_mode| container_1_1
    "#);
}

#[test]
fn a_small_map_as_svg() {
    let svg =
        picture(&["name: s\nweb: {uses: data}\ndb: {attaches: {data: /d}, instances: [a, b]}\n"])
            .svg();
    let (_, body) = svg.split_once("</defs>\n").unwrap();
    insta::assert_snapshot!(body, @r#"
    <rect class="page" width="449" height="203"/>
    <g class="map">
    <rect class="frame" x="16" y="16" width="370" height="137" rx="8"/>
    <text x="38" y="42">s</text>
    <g class="edge uses"><title>web uses data at /d</title><path class="hit" d="M110 114C137 114 137 114 164 114H236C264 114 264 108 292 108"/><path class="line" marker-end="url(#dfab-uses)" d="M110 114C137 114 137 114 164 114H236C264 114 264 108 292 108"/></g>
    <g class="edge attaches"><title>db attaches data at /d</title><path class="hit" d="M236 81C264 81 264 98 292 98"/><path class="line" marker-end="url(#dfab-attaches)" d="M236 81C264 81 264 98 292 98"/></g>
    <g class="container"><title>s.web
    image web:latest</title><rect class="shape" x="38" y="97" width="72" height="34" rx="5"/><text x="74" y="118.5" text-anchor="middle">web</text></g>
    <g class="container"><title>s.db.a
    s.db.b
    image db:latest</title><rect class="shape" x="164" y="64" width="72" height="34" rx="5"/><text x="200" y="85.5" text-anchor="middle">db ×2</text></g>
    <g class="volume"><title>volume s.data</title><path class="shape" d="M292 91a36 5 0 0 1 72 0v24a36 5 0 0 1 -72 0zM292 91a36 5 0 0 0 72 0"/><text x="328" y="110" text-anchor="middle">data</text></g>
    </g>
    <g class="legend">
    <g class="container"><rect class="shape" x="20" y="169" width="22" height="16" rx="5"/><text x="48" y="181">container</text></g>
    <g class="volume"><path class="shape" d="M128 174a11 5 0 0 1 22 0v6a11 5 0 0 1 -22 0zM128 174a11 5 0 0 0 22 0"/><text x="156" y="181">volume</text></g>
    <g class="uses"><path class="line" marker-end="url(#dfab-uses)" d="M221.6 177H251.6"/><text x="257.6" y="181">uses</text></g>
    <g class="attaches"><path class="line" marker-end="url(#dfab-attaches)" d="M305.2 177H335.2"/><text x="341.2" y="181">attaches</text></g>
    </g>
    </svg>
    "#);
}

#[test]
fn fifty_containers_do_not_overlap_and_edges_end_on_them() {
    let picture = fifty();
    let group = &picture.groups[0];
    let containers = group
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Container);
    assert_eq!(containers.count(), 50);
    assert!(group.edges.len() > 100);
    check_group(group);
}

/// All coordinates of paths and boxes, as they stand in the document.
#[test]
fn all_of_fifty_containers_is_within_the_view_box() {
    let svg = fifty().svg();
    let attribute = |text: &str, name: &str| -> Option<String> {
        let (_, rest) = text.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let view: Vec<f64> = attribute(&svg, "viewBox")
        .unwrap()
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let (mut boxes, mut lines) = (0, 0);
    let (_, body) = svg.split_once("</defs>").unwrap();
    for element in body.split('<') {
        if element.starts_with("rect") {
            let get =
                |name: &str| attribute(element, name).map_or(0.0, |text| text.parse().unwrap());
            assert!(get("x") + get("width") <= view[2], "{element}");
            assert!(get("y") + get("height") <= view[3], "{element}");
            boxes += 1;
        } else if element.starts_with("path class=\"line\"") {
            let mut horizontal = true;
            for command in attribute(element, "d")
                .unwrap()
                .split_inclusive(|c: char| c.is_ascii_alphabetic())
            {
                for number in command
                    .trim_end_matches(|c: char| c.is_ascii_alphabetic())
                    .split(' ')
                {
                    let Ok(number) = number.parse::<f64>() else {
                        continue;
                    };
                    let limit = if horizontal { view[2] } else { view[3] };
                    assert!(number >= 0.0 && number <= limit, "{element}");
                    horizontal = !horizontal;
                }
                horizontal = true;
            }
            lines += 1;
        }
    }
    assert!(boxes > 50 && lines > 100, "{boxes} boxes, {lines} lines");
}

#[test]
fn what_needs_stands_to_the_left_of_what_it_needs() {
    let picture = fifty();
    let group = &picture.groups[0];
    let drawing = laid_out(group);
    let drawn = group.edges.iter().zip(&drawing.is_stub);
    let pairs = drawn
        .filter(|(_, is_stub)| !**is_stub)
        .map(|(edge, _)| (edge.from, edge.to));
    let boxes = &drawing.layout.boxes;
    for (from, to) in pairs.chain(group.order.iter().copied()) {
        assert!(boxes[from].x + boxes[from].width < boxes[to].x);
    }
}

/// Fifty containers in a deep order, of which each needs some far away.
fn deep() -> Picture {
    let mut text = String::from("name: deep\nnetworks: {front: null, back: null, db: null}\n");
    for index in 0..50_usize {
        let mut keys = vec!["image: x".to_owned()];
        // Spread over those that follow, so that there is no circle.
        if index < 49 {
            let links = [7, 23].map(|factor| {
                let other = index + 1 + index * factor % (49 - index).min(20);
                format!("service_number_{other}")
            });
            keys.push(format!("links: [{}]", links.join(", ")));
        }
        let network = ["front", "back", "db"][index * 5 % 7 % 3];
        keys.push(format!("networks: [{network}]"));
        if index % 3 == 0 && index < 45 {
            keys.push(format!("attaches: {{v{index}: /data}}"));
        } else if index < 42 {
            let owner = (index / 3 + 1 + index * 11 % 5).min(14) * 3;
            keys.push(format!("uses: [v{owner}]"));
        }
        text += &format!("service_number_{index}: {{{}}}\n", keys.join(", "));
    }
    picture(&[&text])
}

/// How many lines go on in a row below.
fn between_rows(group: &Group, drawing: &Drawing) -> usize {
    let boxes = &drawing.layout.boxes;
    let edges = group.edges.iter().zip(&drawing.is_stub);
    edges
        .filter(|(edge, is_stub)| !**is_stub && boxes[edge.to].x <= boxes[edge.from].x)
        .count()
}

#[test]
fn fifty_containers_fit_on_a_page() {
    let picture = fifty();
    let group = &picture.groups[0];
    let drawing = laid_out(group);
    let laid = &drawing.layout;
    assert_eq!(between_rows(group, &drawing), 0);
    assert!(laid.width < 1_600.0, "{}", laid.width);
    assert!(laid.height < 1_500.0, "{}", laid.height);
}

#[test]
fn deep_maps_are_no_bundles_of_lines_between_rows() {
    let picture = deep();
    let group = &picture.groups[0];
    check_group(group);
    let drawing = laid_out(group);
    let laid = &drawing.layout;
    // At most four from each row to the next.
    assert!(between_rows(group, &drawing) <= 16);
    assert!(laid.width < 2_300.0, "{}", laid.width);
    assert!(laid.height < 2_000.0, "{}", laid.height);
    // Most of what stands close together has its line.
    let stubs = drawing.is_stub.iter().filter(|is_stub| **is_stub).count();
    assert!(stubs * 4 < group.edges.len() * 3, "{stubs}");
}

/// A name in each box instead of a line to what most have in common.
#[test]
fn a_network_of_many_is_named_in_their_boxes() {
    let members = |count: usize| {
        let mut text = String::from("name: m\nnetworks: {all: null}\n");
        for index in 0..count {
            text += &format!("s{index}: {{image: x, networks: all}}\n");
        }
        picture(&[&text])
    };
    let few = members(8).svg();
    assert_eq!(few.matches("class=\"edge network-edge\"").count(), 8);
    assert!(!few.contains("class=\"stub"));
    let many = members(9);
    check_group(&many.groups[0]);
    let many = many.svg();
    assert!(!many.contains("class=\"edge"));
    assert_eq!(many.matches("class=\"stub network-edge\"").count(), 10);
    assert_eq!(many.matches(">all</text>").count(), 10);
    assert!(many.contains(">9 containers</text>"), "{many}");
    assert!(many.contains("<title>s3 is in the network all</title>"));
}

/// Whatever the depth: what does not fit goes on below.
#[test]
fn a_long_chain_goes_on_in_further_rows() {
    let mut text = String::from("name: chain\n");
    for index in 0..50 {
        let link = match index {
            49 => String::new(),
            index => format!(", links: [a_service_of_the_chain_{}]", index + 1),
        };
        text += &format!("a_service_of_the_chain_{index}: {{image: x{link}}}\n");
    }
    let picture = picture(&[&text]);
    let group = &picture.groups[0];
    check_group(group);
    let drawing = laid_out(group);
    assert!(!drawing.is_stub.contains(&true));
    let laid = drawing.layout;
    assert!(laid.width < 2_100.0, "{}", laid.width);
    assert!(laid.height < 1_000.0, "{}", laid.height);
    // A row is read from left to right, and then the one below it.
    for edge in &group.edges {
        let (from, to) = (laid.boxes[edge.from], laid.boxes[edge.to]);
        assert!(from.x < to.x && from.y == to.y || from.x > to.x && from.y < to.y);
    }
}

#[test]
fn a_circle_can_be_seen() {
    let picture = picture(&["a: {links: [b, a]}\nb: {links: c}\nc: {links: a}\n"]);
    check_group(&picture.groups[0]);
    let laid = laid_out(&picture.groups[0]).layout;
    // Back to the beginning, against the direction.
    let back = &laid.routes[3];
    assert!(back.first().unwrap().x > back.last().unwrap().x);
    assert_eq!(picture.svg().matches("class=\"edge link\"").count(), 4);
}

#[test]
fn maps_have_a_frame_each() {
    let svg = picture(&[SHOP, "name: other\na: {image: x}\n"]).svg();
    assert_eq!(svg.matches("class=\"frame\"").count(), 2);
    assert!(svg.contains(">shop</text>") && svg.contains(">other</text>"));
}

#[test]
fn names_cannot_break_out_of_the_text() {
    let picture =
        picture(&["name: \"m\\\"]; & <x>\"\n\"a\\\\\\nb --> `c` #1;\\a\": {image: \"<i>\"}\n"]);
    let dot = picture.dot();
    assert!(dot.contains(r#"label="m\"]; &amp; <x>";"#), "{dot}");
    assert!(
        dot.contains(r#"[label="a\\\nb --> `c` #1; ", shape"#),
        "{dot}"
    );
    let mermaid = picture.mermaid();
    assert!(
        mermaid.contains(r#"["m#34;#93;#59; #38; #60;x#62;"]"#),
        "{mermaid}"
    );
    assert!(
        mermaid.contains(r#"["a#92; b --#62; #96;c#96; #35;1#59; "]"#),
        "{mermaid}"
    );
    let svg = picture.svg();
    assert!(svg.contains(">m&quot;]; &amp; &lt;x&gt;</text>"), "{svg}");
    assert!(svg.contains("image &lt;i&gt;:latest</title>"), "{svg}");
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn a_project_without_containers_is_an_empty_picture() {
    let svg = picture(&["name: none\n"]).svg();
    assert!(svg.contains(">none</text>") && svg.ends_with("</svg>\n"));
}

/// Long edges past many columns take no more room than there is.
#[test]
fn a_long_chain_that_needs_its_end_everywhere_is_laid_out() {
    let lines: Vec<Line> = (0..1_000)
        .flat_map(|index| [(index, index + 1), (index, 1_000)])
        .map(|(from, to)| Line {
            from,
            to,
            is_bundled: false,
        })
        .collect();
    let sizes = vec![
        Size {
            width: 80.0,
            height: 34.0
        };
        1_001
    ];
    let columns = Columns::new(&sizes, &lines, &[]);
    let laid = columns.layout(&sizes);
    let pairs: Vec<_> = lines.iter().map(|line| (line.from, line.to)).collect();
    check(&laid, &pairs, columns.is_cut());
    // What is next has a line, but where too many others lead to the last row.
    let drawn = columns.is_cut().iter().filter(|is_cut| !**is_cut).count();
    assert!((999..1_100).contains(&drawn), "{drawn}");
}

proptest! {
    #[test]
    fn any_graph_is_laid_out_without_overlaps(
        edges in prop::collection::vec((0..30_usize, 0..30_usize, any::<bool>()), 0..80),
        heights in prop::collection::vec(30.0..130.0_f64, 30),
    ) {
        let lines: Vec<Line> = edges
            .iter()
            .map(|&(from, to, is_bundled)| Line { from, to, is_bundled })
            .collect();
        let sizes: Vec<Size> = heights
            .iter()
            .map(|&height| Size { width: 200.0 - height, height })
            .collect();
        let columns = Columns::new(&sizes, &lines, &[]);
        let laid = columns.layout(&sizes);
        let pairs: Vec<_> = edges.iter().map(|&(from, to, _)| (from, to)).collect();
        check(&laid, &pairs, columns.is_cut());
        let again = Columns::new(&sizes, &lines, &[]).layout(&sizes);
        prop_assert_eq!(laid.boxes, again.boxes);
        prop_assert_eq!(laid.routes, again.routes);
    }
}
