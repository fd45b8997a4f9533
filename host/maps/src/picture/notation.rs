//! Pictures in the languages of other programs, which lay them out.

use std::fmt::Write as _;

use super::{Edge, EdgeKind, Group, Node, NodeKind};

/// A picture in the language of Graphviz.
pub(super) fn dot(groups: &[Group]) -> String {
    let mut text = String::from(
        "digraph dfab {\n  rankdir=LR;\n  \
         node [fontname=\"sans-serif\", fontsize=11];\n  \
         edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    for (number, group) in groups.iter().enumerate() {
        let name = dot_text(&group.name);
        _ = writeln!(
            text,
            "  subgraph cluster_{} {{\n    label={name};",
            number + 1
        );
        for (index, node) in group.nodes.iter().enumerate() {
            let shape = match node.kind {
                NodeKind::Container => "shape=box",
                NodeKind::Volume => "shape=cylinder",
                NodeKind::Network => "shape=box, style=\"rounded,dashed\"",
            };
            let (id, label) = (id(number, index, node), dot_text(&node.label));
            let details = dot_text(&node.details.join("\n"));
            _ = writeln!(
                text,
                "    {id} [label={label}, {shape}, tooltip={details}];"
            );
        }
        for edge in &group.edges {
            let Some((from, to)) = ends(number, group, edge) else {
                continue;
            };
            let style = match edge.kind {
                EdgeKind::Link => "style=solid",
                EdgeKind::Uses => "style=dashed",
                EdgeKind::Attaches => "style=solid, arrowhead=dot",
                EdgeKind::Network => "style=dotted",
                EdgeKind::NetworkMode => "style=bold",
            };
            let (label, details) = (edge.kind.name(), dot_text(&edge.details.join("\n")));
            _ = writeln!(
                text,
                "    {from} -> {to} [label={label}, {style}, edgetooltip={details}];"
            );
        }
        for &(from, to) in &group.order {
            if let (Some(user), Some(owner)) = (group.nodes.get(from), group.nodes.get(to)) {
                let (user, owner) = (id(number, from, user), id(number, to, owner));
                _ = writeln!(text, "    {user} -> {owner} [style=invis];");
            }
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// A picture as a flowchart of Mermaid.
pub(super) fn mermaid(groups: &[Group]) -> String {
    let mut text = String::from("flowchart LR\n");
    for (number, group) in groups.iter().enumerate() {
        _ = writeln!(
            text,
            "  subgraph map{}[{}]",
            number + 1,
            mermaid_text(&group.name)
        );
        for (index, node) in group.nodes.iter().enumerate() {
            let (id, label) = (id(number, index, node), mermaid_text(&node.label));
            _ = match node.kind {
                NodeKind::Container => writeln!(text, "    {id}[{label}]"),
                NodeKind::Volume => writeln!(text, "    {id}[({label})]"),
                NodeKind::Network => writeln!(text, "    {id}([{label}])"),
            };
        }
        text.push_str("  end\n");
        for edge in &group.edges {
            let Some((from, to)) = ends(number, group, edge) else {
                continue;
            };
            let arrow = match edge.kind {
                EdgeKind::Link | EdgeKind::Uses => "-->",
                EdgeKind::Attaches => "--o",
                EdgeKind::Network => "-.->",
                EdgeKind::NetworkMode => "==>",
            };
            _ = writeln!(text, "  {from} {arrow}|{}| {to}", edge.kind.name());
        }
    }
    text
}

/// A name that is a word in both languages and in the picture means only this node.
fn id(group: usize, index: usize, node: &Node) -> String {
    let kind = match node.kind {
        NodeKind::Container => "container",
        NodeKind::Volume => "volume",
        NodeKind::Network => "network",
    };
    format!("{kind}_{}_{}", group + 1, index + 1)
}

fn ends(number: usize, group: &Group, edge: &Edge) -> Option<(String, String)> {
    let end = |index: usize| Some(id(number, index, group.nodes.get(index)?));
    Some((end(edge.from)?, end(edge.to)?))
}

/// In quotes. Graphviz replaces what stands after a backslash in a label, so each is doubled.
fn dot_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            // Graphviz reads entities of HTML in every text.
            '&' => quoted.push_str("&amp;"),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// In quotes, with everything that may mean something to Mermaid, Markdown or HTML as an entity.
fn mermaid_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if letter.is_control() {
            quoted.push(' ');
        } else if letter.is_ascii_punctuation() && !matches!(letter, '_' | '-' | '.' | '/' | ':') {
            _ = write!(quoted, "#{};", u32::from(letter));
        } else {
            quoted.push(letter);
        }
    }
    quoted.push('"');
    quoted
}
