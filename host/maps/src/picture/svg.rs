//! A picture as SVG, laid out here.

use std::fmt::Write as _;

use super::layout::{Columns, Layout, Line, Point, Rect, Size};
use super::stubs::{Stub, shared, stubs};
use super::{EDGE_KINDS, EdgeKind, Group, Node, NodeKind};

const MARGIN: f64 = 16.0;
/// Between the frame of a map and what is in it; the title stands above.
const PADDING: f64 = 22.0;
const TITLE_HEIGHT: f64 = 26.0;
const NODE_HEIGHT: f64 = 34.0;
/// A node with many edges is higher, up to this.
const TALLEST_NODE: f64 = 130.0;
const LONGEST_LABEL: usize = 40;
/// The line of a stub within the box of its node.
const STUB_HEIGHT: f64 = 14.0;
/// The arrow of a stub, and where it begins.
const STUB_ARROW: f64 = 14.0;
const STUB_INDENT: f64 = 8.0;
/// How large the text of a stub is, by that of a label.
const STUB_SCALE: f64 = 11.0 / 13.0;
const LEGEND_HEIGHT: f64 = 34.0;

const STYLE: &str = "\
.dfab-map text{fill:#1f2328;font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\
.dfab-map .map>text{font-weight:600}\
.dfab-map .legend text{font-size:11px;fill:#59636e}\
.dfab-map .stub text{font-size:11px}\
.dfab-map .stub.uses text,.dfab-map .stub.attaches text{fill:#85570a}\
.dfab-map .stub.network-edge text{fill:#1f6f45}\
.dfab-map .stub.network_mode text{fill:#6d3bcf}\
.dfab-map .page{fill:#fff}\
.dfab-map .frame{fill:none;stroke:#d1d9e0}\
.dfab-map .container .shape{fill:#eaf2fd;stroke:#4c84c9}\
.dfab-map .volume .shape{fill:#fdf3e1;stroke:#b7842b}\
.dfab-map .network .shape{fill:#e8f6ee;stroke:#3f9163}\
.dfab-map .line{fill:none;stroke-width:1.4}\
.dfab-map .hit{fill:none;stroke:transparent;stroke-width:9;pointer-events:stroke}\
.dfab-map .edge:hover .line{stroke-width:3}\
.dfab-map .link .line{stroke:#57606a}\
.dfab-map .uses .line{stroke:#b7842b;stroke-dasharray:6 3}\
.dfab-map .attaches .line{stroke:#b7842b}\
.dfab-map .network-edge .line{stroke:#3f9163;stroke-width:1.1}\
.dfab-map .network_mode .line{stroke:#8250df;stroke-width:2.4}\
.dfab-map .link.tip{fill:#57606a}\
.dfab-map .uses.tip,.dfab-map .attaches.tip{fill:#b7842b}\
.dfab-map .network-edge.tip{fill:#3f9163}\
.dfab-map .network_mode.tip{fill:#8250df}\
@media(prefers-color-scheme:dark){\
.dfab-map text{fill:#e6edf3}\
.dfab-map .legend text{fill:#9198a1}\
.dfab-map .stub.uses text,.dfab-map .stub.attaches text{fill:#dcb268}\
.dfab-map .stub.network-edge text{fill:#6cc596}\
.dfab-map .stub.network_mode text{fill:#b794fa}\
.dfab-map .page{fill:#0d1117}\
.dfab-map .frame{stroke:#3d444d}\
.dfab-map .container .shape{fill:#12233a;stroke:#4c84c9}\
.dfab-map .volume .shape{fill:#2e2411;stroke:#c0913d}\
.dfab-map .network .shape{fill:#11291c;stroke:#4aa374}\
.dfab-map .link .line{stroke:#9198a1}\
.dfab-map .link.tip{fill:#9198a1}\
.dfab-map .network_mode .line{stroke:#a475f9}\
.dfab-map .network_mode.tip{fill:#a475f9}\
}";

/// A map laid out: its lines that are drawn, and in its nodes what stands for the others.
pub(super) struct Drawing {
    /// Has a route for each edge, an empty one for each that is not drawn.
    pub(super) layout: Layout,
    /// For each edge.
    pub(super) is_stub: Vec<bool>,
    /// For each node.
    pub(super) stubs: Vec<Vec<Stub>>,
}

/// The picture as a document of its own.
pub(super) fn svg(groups: &[Group]) -> String {
    let mut body = String::new();
    let laid: Vec<Drawing> = groups.iter().map(laid_out).collect();
    let titles = groups
        .iter()
        .map(|group| text_width(&shortened(&group.name)));
    let inner = laid
        .iter()
        .map(|laid| laid.layout.width)
        .chain(titles)
        .fold(0.0, f64::max);
    let mut width = inner + 2.0 * (MARGIN + PADDING);
    let mut y = MARGIN;
    for (group, laid) in groups.iter().zip(&laid) {
        write_group(&mut body, group, laid, inner, y);
        y += TITLE_HEIGHT + laid.layout.height + 2.0 * PADDING + MARGIN;
    }
    let legend = write_legend(&mut body, groups, y);
    width = width.max(legend + 2.0 * MARGIN);
    let height = y + LEGEND_HEIGHT;
    let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
    let label = escaped(&format!("What the containers of {} need", names.join(", ")));
    let (width, height) = (number(width.ceil()), number(height.ceil()));
    let markers = markers();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"dfab-map\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n\
         <style>{STYLE}</style>\n<defs>{markers}</defs>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

/// Where the nodes of a map stand, with its frame's inside as the origin.
pub(super) fn laid_out(group: &Group) -> Drawing {
    let mut is_stub = shared(group);
    let mut drawn = Vec::new();
    let mut lines = Vec::new();
    for (index, edge) in group.edges.iter().enumerate() {
        if is_stub.get(index) == Some(&false) {
            drawn.push(index);
            lines.push(Line {
                from: edge.from,
                to: edge.to,
                is_bundled: edge.kind == EdgeKind::Network,
            });
        }
    }
    let columns = Columns::new(
        &sizes(group, &is_stub, &stubs(group, &is_stub)),
        &lines,
        &group.order,
    );
    for (&index, &is_cut) in drawn.iter().zip(columns.is_cut()) {
        if let Some(is_stub) = is_stub.get_mut(index) {
            *is_stub = is_cut;
        }
    }
    let stubs = stubs(group, &is_stub);
    let mut layout = columns.layout(&sizes(group, &is_stub, &stubs));
    let mut routes = vec![Vec::new(); group.edges.len()];
    for (index, route) in drawn.into_iter().zip(layout.routes) {
        if let Some(place) = routes.get_mut(index) {
            *place = route;
        }
    }
    layout.routes = routes;
    Drawing {
        layout,
        is_stub,
        stubs,
    }
}

fn sizes(group: &Group, is_stub: &[bool], stubs: &[Vec<Stub>]) -> Vec<Size> {
    let mut ends = vec![(0_u32, 0_u32); group.nodes.len()];
    for (edge, is_stub) in group.edges.iter().zip(is_stub) {
        if *is_stub {
            continue;
        }
        if let Some(end) = ends.get_mut(edge.from) {
            end.0 += 1;
        }
        if let Some(end) = ends.get_mut(edge.to) {
            end.1 += 1;
        }
    }
    let nodes = group.nodes.iter().zip(stubs).zip(ends);
    nodes
        .map(|((node, stubs), (leaving, arriving))| {
            // Most lines to a network arrive together.
            let room = if node.kind == NodeKind::Network {
                3.0
            } else {
                7.0
            };
            let height = f64::from(leaving.max(arriving)) * room + 12.0;
            let height = height.clamp(NODE_HEIGHT, TALLEST_NODE);
            let width = (text_width(&shortened(&node.label)) + 28.0).max(72.0);
            let Some(widest) = stubs
                .iter()
                .map(|stub| text_width(&shortened(&stub.label)))
                .max_by(f64::total_cmp)
            else {
                return Size { width, height };
            };
            let count = u32::try_from(stubs.len()).unwrap_or(u32::MAX);
            Size {
                width: width.max(widest * STUB_SCALE + STUB_ARROW + 2.5 * STUB_INDENT),
                height: height.max(NODE_HEIGHT + 6.0 + STUB_HEIGHT * f64::from(count)),
            }
        })
        .collect()
}

fn write_group(body: &mut String, group: &Group, laid: &Drawing, inner: f64, y: f64) {
    let layout = &laid.layout;
    let (left, top) = (MARGIN + PADDING, y + TITLE_HEIGHT + PADDING);
    _ = writeln!(
        body,
        "<g class=\"map\">\n<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" \
         rx=\"8\"/>\n<text x=\"{}\" y=\"{}\">{}</text>",
        number(MARGIN),
        number(y),
        number(inner + 2.0 * PADDING),
        number(TITLE_HEIGHT + layout.height + 2.0 * PADDING),
        number(left),
        number(y + 26.0),
        escaped(&shortened(&group.name)),
    );
    let edges = group.edges.iter().zip(&layout.routes).zip(&laid.is_stub);
    for ((edge, route), is_stub) in edges {
        if *is_stub {
            continue;
        }
        let moved: Vec<Point> = route
            .iter()
            .map(|point| Point {
                x: point.x + left,
                y: point.y + top,
            })
            .collect();
        let path = match layout.boxes.get(edge.from) {
            Some(place) if route.is_empty() => loop_path(&shifted(*place, left, top)),
            _ => edge_path(&moved),
        };
        let class = class(edge.kind);
        let details = escaped(&edge.details.join("\n"));
        _ = writeln!(
            body,
            "<g class=\"edge {class}\"><title>{details}</title><path class=\"hit\" d=\"{path}\"/>\
             <path class=\"line\" marker-end=\"url(#dfab-{class})\" d=\"{path}\"/></g>"
        );
    }
    for ((node, stubs), place) in group.nodes.iter().zip(&laid.stubs).zip(&layout.boxes) {
        write_node(body, node, stubs, &shifted(*place, left, top));
    }
    body.push_str("</g>\n");
}

fn write_node(body: &mut String, node: &Node, stubs: &[Stub], place: &Rect) {
    let class = match node.kind {
        NodeKind::Container => "container",
        NodeKind::Volume => "volume",
        NodeKind::Network => "network",
    };
    let details = escaped(&node.details.join("\n"));
    _ = write!(body, "<g class=\"{class}\"><title>{details}</title>");
    write_shape(body, node.kind, place);
    let x = number(place.x + place.width / 2.0);
    let lower = if node.kind == NodeKind::Volume {
        7.0
    } else {
        4.5
    };
    // Stubs stand below the label.
    let head = if stubs.is_empty() {
        place.height
    } else {
        NODE_HEIGHT
    };
    let y = number(place.y + head / 2.0 + lower);
    let label = escaped(&shortened(&node.label));
    _ = writeln!(
        body,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{label}</text></g>"
    );
    let mut middle = place.y + head + lower - 1.0;
    for stub in stubs {
        write_stub(body, stub, place.x + STUB_INDENT, middle);
        middle += STUB_HEIGHT;
    }
}

/// A short arrow from the node to the name of the other end, or from there.
fn write_stub(body: &mut String, stub: &Stub, x: f64, middle: f64) {
    let class = class(stub.kind);
    let details = escaped(&stub.details);
    let (near, far) = (number(x), number(x + STUB_ARROW));
    let (from, to) = if stub.is_arriving {
        (far, near)
    } else {
        (near, far)
    };
    let (level, base) = (number(middle), number(middle + 4.0));
    let at = number(x + STUB_ARROW + STUB_INDENT / 2.0);
    let label = escaped(&shortened(&stub.label));
    _ = writeln!(
        body,
        "<g class=\"stub {class}\"><title>{details}</title><path class=\"line\" \
         marker-end=\"url(#dfab-{class})\" d=\"M{from} {level}H{to}\"/>\
         <text x=\"{at}\" y=\"{base}\">{label}</text></g>"
    );
}

fn write_shape(body: &mut String, kind: NodeKind, place: &Rect) {
    let [x, y, width, height] = [place.x, place.y, place.width, place.height].map(number);
    let radius = match kind {
        NodeKind::Container => 5.0,
        NodeKind::Network => (place.height / 2.0).min(NODE_HEIGHT / 2.0),
        NodeKind::Volume => {
            // A cylinder.
            let (half, side) = (number(place.width / 2.0), number(place.height - 10.0));
            let start = number(place.y + 5.0);
            _ = write!(
                body,
                "<path class=\"shape\" d=\"M{x} {start}a{half} 5 0 0 1 {width} 0v{side}\
                 a{half} 5 0 0 1 -{width} 0zM{x} {start}a{half} 5 0 0 0 {width} 0\"/>"
            );
            return;
        }
    };
    _ = write!(
        body,
        "<rect class=\"shape\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         rx=\"{}\"/>",
        number(radius)
    );
}

/// What the shapes and lines mean, as far as there are any; its right end.
fn write_legend(body: &mut String, groups: &[Group], y: f64) -> f64 {
    let mut x = MARGIN + 4.0;
    let middle = y + 8.0;
    let text = |body: &mut String, x: f64, words: &str| {
        let (at, base) = (number(x), number(middle + 4.0));
        _ = writeln!(body, "<text x=\"{at}\" y=\"{base}\">{words}</text></g>");
        x + text_width(words) + 14.0
    };
    body.push_str("<g class=\"legend\">\n");
    for (kind, class) in [
        (NodeKind::Container, "container"),
        (NodeKind::Volume, "volume"),
        (NodeKind::Network, "network"),
    ] {
        let mut nodes = groups.iter().flat_map(|group| &group.nodes);
        if nodes.any(|node| node.kind == kind) {
            _ = write!(body, "<g class=\"{class}\">");
            let place = Rect {
                x,
                y: middle - 8.0,
                width: 22.0,
                height: 16.0,
            };
            write_shape(body, kind, &place);
            x = text(body, x + 28.0, class);
        }
    }
    for kind in EDGE_KINDS {
        let mut edges = groups.iter().flat_map(|group| &group.edges);
        if edges.any(|edge| edge.kind == kind) {
            let (class, from, to) = (class(kind), number(x), number(x + 30.0));
            let level = number(middle);
            _ = write!(
                body,
                "<g class=\"{class}\"><path class=\"line\" marker-end=\"url(#dfab-{class})\" \
                 d=\"M{from} {level}H{to}\"/>"
            );
            x = text(body, x + 36.0, kind.name());
        }
    }
    body.push_str("</g>\n");
    x
}

/// What the lines end in: a tip where something is needed, a dot where it is owned.
fn markers() -> String {
    let mut markers = String::new();
    for kind in EDGE_KINDS {
        let class = class(kind);
        let shape = match kind {
            EdgeKind::Attaches => {
                format!("<circle class=\"{class} tip\" cx=\"5\" cy=\"5\" r=\"4\"/>")
            }
            _ => format!("<path class=\"{class} tip\" d=\"M0 1L10 5L0 9z\"/>"),
        };
        _ = write!(
            markers,
            "<marker id=\"dfab-{class}\" viewBox=\"0 0 10 10\" refX=\"9.5\" refY=\"5\" \
             markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" \
             orient=\"auto\">{shape}</marker>"
        );
    }
    markers
}

/// `network` is what the node is called.
fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Network => "network-edge",
        kind => kind.name(),
    }
}

/// Straight within the pairs of points, swung from one to the next.
fn edge_path(points: &[Point]) -> String {
    let mut path = String::new();
    let mut previous: Option<Point> = None;
    for (index, point) in points.iter().enumerate() {
        let (x, y) = (number(point.x), number(point.y));
        _ = match previous {
            None => write!(path, "M{x} {y}"),
            Some(previous) if previous == *point => Ok(()),
            Some(_) if index % 2 == 1 => write!(path, "H{x}"),
            Some(previous) => {
                let middle = number(f64::midpoint(previous.x, point.x));
                write!(
                    path,
                    "C{middle} {} {middle} {y} {x} {y}",
                    number(previous.y)
                )
            }
        };
        previous = Some(*point);
    }
    path
}

/// From a box to itself, around its upper right corner.
fn loop_path(place: &Rect) -> String {
    let (right, top) = (place.x + place.width, place.y);
    format!(
        "M{} {}C{} {} {} {} {} {}",
        number(right - 20.0),
        number(top),
        number(right - 20.0),
        number(top - 18.0),
        number(right + 18.0),
        number(top + 9.0),
        number(right),
        number(top + 9.0),
    )
}

fn shifted(place: Rect, x: f64, y: f64) -> Rect {
    Rect {
        x: place.x + x,
        y: place.y + y,
        ..place
    }
}

/// The label as it is shown; the whole of it is in the tooltip.
fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    let start: String = label.chars().take(LONGEST_LABEL - 1).collect();
    format!("{start}…")
}

/// About how wide a text is, rather too wide: which font it is shown in is not known.
fn text_width(text: &str) -> f64 {
    let width = |letter: char| match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | '|' | '!' | '\'' | ' ' => 5.2,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 12.8,
        'A'..='Z' => 9.4,
        letter if letter.is_ascii() => 8.4,
        'À'..='ʯ' | 'Ͱ'..='ӿ' => 9.8,
        _ => 13.5,
    };
    text.chars().map(width).sum()
}

/// With one decimal at most.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0" } else { text }.to_owned()
}

/// As text or within an attribute. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\n' | '\t' => result.push(letter),
            '\u{fffe}' | '\u{ffff}' => result.push('\u{fffd}'),
            letter if letter.is_control() => result.push('\u{fffd}'),
            letter => result.push(letter),
        }
    }
    result
}
