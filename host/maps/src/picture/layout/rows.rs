//! Where columns stand: side by side up to a width, and from there on in a further row below, to which
//! edges are led around from the right end of a row to the left end of the next.
#![expect(
    clippy::indexing_slicing,
    reason = "all indices are made here, of vectors of one length"
)]

use super::{Chain, Part, PartColumns, Point, Rect, Vertex};

/// Between columns, and more where many edges run.
const COLUMN_GAP: f64 = 52.0;
/// Rows are no wider than this, but for a column that is by itself, and for what leads around them.
const WIDTH_LIMIT: f64 = 2000.0;
/// Between a row and the edges around it.
const MARGIN: f64 = 12.0;
/// Between two edges around a row.
const TRACK_GAP: f64 = 7.0;
/// All edges around a row stand within so much.
const TRACKS_LIMIT: f64 = 140.0;

/// A column, by its row and its ends.
#[derive(Debug, Clone, Copy)]
struct Place {
    row: usize,
    left: f64,
    right: f64,
}

/// A row, and what leads from it to the next.
#[derive(Debug, Clone)]
struct Row {
    right: f64,
    top: f64,
    bottom: f64,
    /// How much lower it stands than the heights of its vertices say.
    shift: f64,
    /// Where edges leave it and where they arrive, from above to below.
    turns: Vec<(f64, f64)>,
}

/// Puts all that has got its height into rows.
pub(super) fn placed(
    part: &PartColumns,
    vertices: &[Vertex],
    columns: &[Vec<usize>],
    chains: &[Chain],
) -> Part {
    let places = places(vertices, columns, &part.rows);
    let (starts, ends) = (
        ports(vertices, chains, true),
        ports(vertices, chains, false),
    );
    let row_of = |vertex: usize| places[vertices[vertex].layer].row;
    // The height of a chain at one of its vertices.
    let height = |number: usize, step: usize| {
        let chain = &chains[number].vertices;
        match step {
            0 => starts[number],
            step if step + 1 == chain.len() => ends[number],
            step => vertices[chain[step]].y,
        }
    };
    let mut rows = rows(vertices, &places);
    for (number, chain) in chains.iter().enumerate() {
        for (step, pair) in chain.vertices.windows(2).enumerate() {
            let row = row_of(pair[0]);
            if row != row_of(pair[1]) {
                let turn = (height(number, step), height(number, step + 1));
                rows[row].turns.push(turn);
            }
        }
    }
    let (mut y, mut left, mut width) = (0.0_f64, 0.0_f64, 0.0_f64);
    for row in &mut rows {
        row.turns
            .sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        row.turns.dedup();
        row.shift = y - row.top;
        y += row.bottom - row.top + row.around().max(2.0 * MARGIN);
        left = left.max(row.around());
        width = width.max(row.right + row.around());
    }
    let boxes = part
        .boxes
        .iter()
        .zip(vertices)
        .map(|(&index, vertex)| {
            let place = places[vertex.layer];
            let place = Rect {
                x: left + place.left,
                y: vertex.y + rows[place.row].shift - vertex.size.height / 2.0,
                width: vertex.size.width,
                height: vertex.size.height,
            };
            (index, place)
        })
        .collect();
    let routes = chains.iter().enumerate().map(|(number, chain)| {
        let mut points = Vec::with_capacity(chain.vertices.len() * 2);
        let last = chain.vertices.len() - 1;
        for (step, &vertex) in chain.vertices.iter().enumerate() {
            let place = places[vertices[vertex].layer];
            let row = &rows[place.row];
            let y = height(number, step) + row.shift;
            let mut put = |x: f64, y: f64| points.push(Point { x: left + x, y });
            if step == 0 {
                put(place.left + vertices[vertex].size.width, y);
                put(place.right, y);
            } else if step == last {
                put(place.left, y);
                put(place.left, y);
            } else {
                put(place.left, y);
                put(place.right, y);
            }
            let Some(&next) = chain.vertices.get(step + 1) else {
                continue;
            };
            let to = places[vertices[next].layer];
            if to.row != place.row {
                let arrival = height(number, step + 1);
                let (outside, below, before) = row.track((height(number, step), arrival));
                let arrival = arrival + rows[to.row].shift;
                put(place.right, y);
                put(outside, y);
                put(outside, below);
                put(before, below);
                put(before, arrival);
                put(to.left, arrival);
            }
        }
        if chain.is_reversed {
            points.reverse();
        }
        (chain.line, points)
    });
    Part {
        boxes,
        routes: routes.collect(),
        width: left + width,
        height: y - 2.0 * MARGIN,
    }
}

/// The row of each column, by its width and by how many lines leave it.
pub(super) fn broken(columns: impl Iterator<Item = (f64, usize)>) -> Vec<usize> {
    let (mut row, mut x) = (0_usize, 0.0_f64);
    let rows = columns.map(|(width, leaving)| {
        if x > 0.0 && x + width > WIDTH_LIMIT {
            (row, x) = (row + 1, 0.0);
        }
        x += width + column_gap(leaving);
        row
    });
    rows.collect()
}

fn column_gap(leaving: usize) -> f64 {
    let leaving = u32::try_from(leaving).unwrap_or(u32::MAX);
    COLUMN_GAP + (f64::from(leaving) * 2.0).min(68.0)
}

/// Where each column begins and ends.
fn places(vertices: &[Vertex], columns: &[Vec<usize>], rows: &[usize]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(columns.len());
    let mut x = 0.0_f64;
    for (column, &row) in columns.iter().zip(rows) {
        if places.last().is_some_and(|place| place.row != row) {
            x = 0.0;
        }
        let widths = column.iter().map(|&vertex| vertices[vertex].size.width);
        let width = widths.fold(0.0, f64::max);
        places.push(Place {
            row,
            left: x,
            right: x + width,
        });
        let leaving: usize = column
            .iter()
            .map(|&vertex| vertices[vertex].after.len())
            .sum();
        x += width + column_gap(leaving);
    }
    places
}

fn rows(vertices: &[Vertex], places: &[Place]) -> Vec<Row> {
    let count = places.last().map_or(0, |place| place.row + 1);
    let empty = Row {
        right: 0.0,
        top: f64::INFINITY,
        bottom: f64::NEG_INFINITY,
        shift: 0.0,
        turns: Vec::new(),
    };
    let mut rows = vec![empty; count];
    for place in places {
        let row = &mut rows[place.row];
        row.right = row.right.max(place.right);
    }
    for vertex in vertices {
        let row = &mut rows[places[vertex.layer].row];
        row.top = row.top.min(vertex.y - vertex.size.height / 2.0);
        row.bottom = row.bottom.max(vertex.y + vertex.size.height / 2.0);
    }
    rows
}

impl Row {
    fn gap(&self) -> f64 {
        let count = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        (TRACKS_LIMIT / f64::from(count)).min(TRACK_GAP)
    }

    /// How much room the edges to the next row take on each side.
    fn around(&self) -> f64 {
        match u32::try_from(self.turns.len()).unwrap_or(u32::MAX) {
            0 => 0.0,
            count => 2.0 * MARGIN + self.gap() * f64::from(count - 1),
        }
    }

    /// The way of a turn: beyond the right end, below the row, and before the left end of the next. Those
    /// that leave and arrive further above run around the others, so that none cross.
    fn track(&self, turn: (f64, f64)) -> (f64, f64, f64) {
        let index = self.turns.iter().position(|known| *known == turn);
        let index = u32::try_from(index.unwrap_or(0)).unwrap_or(u32::MAX);
        let count = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        let inner = MARGIN + self.gap() * f64::from(index);
        let outer = MARGIN + self.gap() * f64::from(count.saturating_sub(index + 1));
        (self.right + outer, self.bottom + self.shift + outer, -inner)
    }
}

/// The height at which each line leaves its left box, or reaches its right one: spread over the
/// side, in the order in which the other ends stand. What comes out of one lane stays together.
fn ports(vertices: &[Vertex], chains: &[Chain], is_start: bool) -> Vec<f64> {
    let mut by_box: Vec<Vec<(usize, usize)>> = vec![Vec::new(); vertices.len()];
    for (number, chain) in chains.iter().enumerate() {
        let last = chain.vertices.len() - 1;
        let (end, next) = if is_start { (0, 1) } else { (last, last - 1) };
        by_box[chain.vertices[end]].push((chain.vertices[next], number));
    }
    let mut heights = vec![0.0; chains.len()];
    for (vertex, mut numbers) in vertices.iter().zip(by_box) {
        numbers.sort_by(|one, other| {
            let height = |end: usize| vertices[end].y;
            height(one.0)
                .total_cmp(&height(other.0))
                .then(one.cmp(other))
        });
        let together = |one: &(usize, usize), other: &(usize, usize)| {
            one.0 == other.0 && vertices[one.0].is_lane
        };
        let ports = numbers.chunk_by(together);
        let count = f64::from(u32::try_from(ports.clone().count()).unwrap_or(u32::MAX));
        let step = ((vertex.size.height - 12.0) / count).clamp(0.0, 10.0);
        let mut y = vertex.y - step * (count - 1.0) / 2.0;
        for port in ports {
            for (_, number) in port {
                heights[*number] = y;
            }
            y += step;
        }
    }
    heights
}
