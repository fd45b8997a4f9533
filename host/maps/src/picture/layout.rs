//! Places boxes in columns so that what a box needs stands to the right of it, and leads edges
//! around the boxes between.
//!
//! Sugiyama's method, for each connected part by itself: circles are opened, columns are longest
//! paths, long edges get a place in every column they pass, barycentres and swaps of neighbours
//! lessen the crossings, and every column is then put as close to its neighbours as its order
//! allows. Too many columns for one row go on in a row below; what would lead there past other
//! rows, or together with many more, is not drawn.
#![expect(
    clippy::indexing_slicing,
    reason = "all indices are made here, of vectors of one length"
)]

mod order;
mod rows;

use std::collections::HashMap;

/// Between the boxes of a column.
const GAP: f64 = 16.0;
/// Between edges that pass a column.
const LANE_GAP: f64 = 9.0;
/// Between parts that are not connected.
const PART_GAP: f64 = 30.0;
/// Parts stand side by side up to this width.
const ROW_WIDTH: f64 = 900.0;
/// So many lines lead from the end of a row to the next; more could not be told apart.
const TURN_LIMIT: usize = 4;
/// Places that long edges may take in the columns between; what is beyond is drawn straight.
const LANE_LIMIT: usize = 20_000;

/// How large a box is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A box, by its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything is. The origin is the upper left corner.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// One for each size.
    pub(super) boxes: Vec<Rect>,
    /// One for each line, from its start to its end: points in pairs, of which the first and the
    /// last are on the boxes. From a pair to the next the line swings, within a pair it is
    /// straight. Empty for a line from a box to itself, and for one that is cut.
    pub(super) routes: Vec<Vec<Point>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// What is drawn between two boxes, by index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether it may run on top of others that do and lead to the same box.
    pub(super) is_bundled: bool,
}

/// In which column and row each box stands: what is known before the heights are.
pub(super) struct Columns {
    parts: Vec<PartColumns>,
    is_cut: Vec<bool>,
}

impl Columns {
    /// The columns of boxes that are about so large. `hidden` pairs only say what is left of what.
    pub(super) fn new(sizes: &[Size], lines: &[Line], hidden: &[(usize, usize)]) -> Self {
        let parts: Vec<PartColumns> = parts(sizes.len(), lines, hidden)
            .into_iter()
            .map(|boxes| PartColumns::new(boxes, sizes, lines, hidden))
            .collect();
        let mut is_cut = vec![false; lines.len()];
        for part in &parts {
            part.cut(&mut is_cut);
        }
        Self { parts, is_cut }
    }

    /// Which lines are not drawn, since their ends are too far apart.
    pub(super) fn is_cut(&self) -> &[bool] {
        &self.is_cut
    }

    /// Lays out the boxes and what is drawn between them.
    pub(super) fn layout(&self, sizes: &[Size]) -> Layout {
        let mut result = Layout {
            boxes: sizes
                .iter()
                .map(|size| Rect {
                    x: 0.0,
                    y: 0.0,
                    width: size.width,
                    height: size.height,
                })
                .collect(),
            routes: vec![Vec::new(); self.is_cut.len()],
            ..Layout::default()
        };
        let mut parts: Vec<Part> = self
            .parts
            .iter()
            .map(|columns| Part::new(columns, sizes, &self.is_cut))
            .collect();
        // Large ones first; of those alike, in the order given.
        parts.sort_by_key(|part| std::cmp::Reverse(part.boxes.len()));
        let widest = parts
            .iter()
            .map(|part| part.width)
            .fold(ROW_WIDTH, f64::max);
        let (mut x, mut y, mut row_height) = (0.0_f64, 0.0, 0.0_f64);
        for part in parts {
            if x > 0.0 && x + part.width > widest {
                y += row_height + PART_GAP;
                (x, row_height) = (0.0, 0.0);
            }
            result.width = result.width.max(x + part.width);
            row_height = row_height.max(part.height);
            for (index, place) in part.boxes {
                result.boxes[index] = Rect {
                    x: place.x + x,
                    y: place.y + y,
                    ..place
                };
            }
            for (index, route) in part.routes {
                let moved = route.into_iter().map(|point| Point {
                    x: point.x + x,
                    y: point.y + y,
                });
                result.routes[index] = moved.collect();
            }
            x += part.width + PART_GAP;
        }
        result.height = y + row_height;
        result
    }
}

/// The boxes of each connected part.
fn parts(count: usize, lines: &[Line], hidden: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); count];
    let drawn = lines.iter().map(|line| (line.from, line.to));
    for (from, to) in drawn.chain(hidden.iter().copied()) {
        neighbours[from].push(to);
        neighbours[to].push(from);
    }
    let mut seen = vec![false; count];
    let mut parts = Vec::new();
    for start in 0..count {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start];
        let mut next = 0;
        while let Some(&vertex) = part.get(next) {
            next += 1;
            for &neighbour in &neighbours[vertex] {
                if !seen[neighbour] {
                    seen[neighbour] = true;
                    part.push(neighbour);
                }
            }
        }
        part.sort_unstable();
        parts.push(part);
    }
    parts
}

/// The columns of a connected part. Its boxes are numbered from 0.
struct PartColumns {
    boxes: Vec<usize>,
    lines: Vec<PartLine>,
    /// The column of each box.
    layers: Vec<usize>,
    /// The row of each column.
    rows: Vec<usize>,
}

/// A line from left to right.
struct PartLine {
    line: usize,
    from: usize,
    to: usize,
    is_reversed: bool,
    is_bundled: bool,
}

impl PartColumns {
    fn new(boxes: Vec<usize>, sizes: &[Size], lines: &[Line], hidden: &[(usize, usize)]) -> Self {
        let local = |index: usize| boxes.binary_search(&index).ok();
        let pair = |from: usize, to: usize| {
            let pair = (local(from)?, local(to)?);
            (from != to).then_some(pair)
        };
        let mut drawn = Vec::new();
        let mut all = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(pair) = pair(line.from, line.to) {
                drawn.push((index, line.is_bundled));
                all.push(pair);
            }
        }
        all.extend(hidden.iter().filter_map(|&(from, to)| pair(from, to)));
        let reversed = opened(boxes.len(), &all);
        let oriented: Vec<(usize, usize)> = all
            .iter()
            .zip(&reversed)
            .map(|(&(from, to), &reversed)| if reversed { (to, from) } else { (from, to) })
            .collect();
        let layers = longest_paths(boxes.len(), &oriented);
        let lines: Vec<PartLine> = drawn
            .iter()
            .zip(oriented.iter().zip(&reversed))
            .map(
                |(&(line, is_bundled), (&(from, to), &is_reversed))| PartLine {
                    line,
                    from,
                    to,
                    is_reversed,
                    is_bundled,
                },
            )
            .collect();
        let count = layers.iter().map(|layer| layer + 1).max().unwrap_or(0);
        let mut widths = vec![0.0_f64; count];
        for (&index, &layer) in boxes.iter().zip(&layers) {
            widths[layer] = widths[layer].max(sizes[index].width);
        }
        // How many lines begin in a column, less those that end.
        let mut changes = vec![0_i64; count];
        for line in &lines {
            changes[layers[line.from]] += 1;
            changes[layers[line.to]] -= 1;
        }
        let leaving = changes.iter().scan(0_i64, |passing, change| {
            *passing += change;
            Some(usize::try_from(*passing).unwrap_or(0))
        });
        let rows = rows::broken(widths.iter().copied().zip(leaving));
        Self {
            boxes,
            lines,
            layers,
            rows,
        }
    }

    fn rows_of(&self, line: &PartLine) -> (usize, usize) {
        let row = |index: usize| self.rows[self.layers[index]];
        (row(line.from), row(line.to))
    }

    /// Cuts what would pass a whole row, and what leads to the next together with many others.
    fn cut(&self, is_cut: &mut [bool]) {
        let mut turns = vec![0_usize; self.rows.last().map_or(0, |last| last + 1)];
        for line in &self.lines {
            let (from, to) = self.rows_of(line);
            if from + 1 == to {
                turns[from] += 1;
            }
        }
        for line in &self.lines {
            let (from, to) = self.rows_of(line);
            is_cut[line.line] = from + 1 < to || from + 1 == to && turns[from] > TURN_LIMIT;
        }
    }
}

/// A connected part, laid out by itself.
struct Part {
    boxes: Vec<(usize, Rect)>,
    routes: Vec<(usize, Vec<Point>)>,
    width: f64,
    height: f64,
}

/// A box, or the place of an edge in a column that it passes.
#[derive(Debug, Clone)]
struct Vertex {
    layer: usize,
    size: Size,
    is_lane: bool,
    /// The middle.
    y: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// A line from left to right: through which vertices it goes.
struct Chain {
    line: usize,
    is_reversed: bool,
    vertices: Vec<usize>,
}

impl Part {
    fn new(columns: &PartColumns, sizes: &[Size], is_cut: &[bool]) -> Self {
        let (boxes, layers) = (&columns.boxes, &columns.layers);
        let mut vertices: Vec<Vertex> = boxes
            .iter()
            .zip(layers)
            .map(|(&index, &layer)| Vertex::new(layer, sizes[index], false))
            .collect();
        let mut lanes = HashMap::new();
        let mut chains = Vec::with_capacity(columns.lines.len());
        for &PartLine {
            line,
            from,
            to,
            is_reversed,
            is_bundled,
        } in &columns.lines
        {
            if is_cut[line] {
                continue;
            }
            let mut chain = vec![from];
            let between = layers[from] + 1..layers[to];
            if vertices.len() + between.len() <= boxes.len() + LANE_LIMIT {
                for layer in between {
                    let own = (!is_bundled || is_reversed).then_some(line);
                    let lane = *lanes.entry((layer, to, own)).or_insert_with(|| {
                        vertices.push(Vertex::new(layer, Size::default(), true));
                        vertices.len() - 1
                    });
                    chain.push(lane);
                }
            }
            chain.push(to);
            for step in chain.windows(2) {
                if !vertices[step[0]].after.contains(&step[1]) {
                    vertices[step[0]].after.push(step[1]);
                    vertices[step[1]].before.push(step[0]);
                }
            }
            chains.push(Chain {
                line,
                is_reversed,
                vertices: chain,
            });
        }
        let ordered = order::columns(&vertices);
        place(&mut vertices, &ordered);
        rows::placed(columns, &vertices, &ordered, &chains)
    }
}

impl Vertex {
    fn new(layer: usize, size: Size, is_lane: bool) -> Self {
        Self {
            layer,
            size,
            is_lane,
            y: 0.0,
            before: Vec::new(),
            after: Vec::new(),
        }
    }
}

/// Which edges to turn around so that no circle is left.
fn opened(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut leaving = vec![Vec::new(); count];
    for (index, &(from, to)) in edges.iter().enumerate() {
        leaving[from].push((index, to));
    }
    let mut state = vec![State::New; count];
    let mut reversed = vec![false; edges.len()];
    for start in 0..count {
        if state[start] != State::New {
            continue;
        }
        state[start] = State::Open;
        let mut stack = vec![(start, 0)];
        while let Some((vertex, next)) = stack.last_mut() {
            let Some(&(edge, to)) = leaving[*vertex].get(*next) else {
                state[*vertex] = State::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            match state[to] {
                State::Open => reversed[edge] = true,
                State::New => {
                    state[to] = State::Open;
                    stack.push((to, 0));
                }
                State::Done => {}
            }
        }
    }
    reversed
}

/// The column of each vertex: beyond all from which an edge comes, and no further to the left than
/// need be.
fn longest_paths(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut leaving = vec![Vec::new(); count];
    let mut arriving = vec![0_usize; count];
    for &(from, to) in edges {
        leaving[from].push(to);
        arriving[to] += 1;
    }
    let mut missing = arriving.clone();
    let mut sorted: Vec<usize> = (0..count).filter(|&vertex| missing[vertex] == 0).collect();
    let mut layers = vec![0; count];
    let mut next = 0;
    while let Some(&vertex) = sorted.get(next) {
        next += 1;
        for &to in &leaving[vertex] {
            layers[to] = layers[to].max(layers[vertex] + 1);
            missing[to] -= 1;
            if missing[to] == 0 {
                sorted.push(to);
            }
        }
    }
    // What has more edges to the right than to the left is better off there: they get shorter.
    for &vertex in sorted.iter().rev() {
        if leaving[vertex].len() > arriving[vertex]
            && let Some(nearest) = leaving[vertex].iter().map(|&to| layers[to]).min()
        {
            layers[vertex] = nearest - 1;
        }
    }
    // The leftmost may all have moved.
    let first = layers.iter().copied().min().unwrap_or(0);
    layers.iter().map(|layer| layer - first).collect()
}

/// Finds the heights: each column is put where its neighbours are, as far as its order allows.
fn place(vertices: &mut [Vertex], columns: &[Vec<usize>]) {
    for column in columns {
        let wanted = vec![(0.0, 1.0); column.len()];
        settle(vertices, column, &wanted);
    }
    for round in 0..24 {
        // At last all neighbours count, so that neither side is left behind.
        let (use_before, use_after) = match round {
            20.. => (true, true),
            round => (round % 2 == 0, round % 2 == 1),
        };
        let mut sweep: Vec<&Vec<usize>> = columns.iter().collect();
        if round % 2 == 1 {
            sweep.reverse();
        }
        for column in sweep {
            let wanted: Vec<(f64, f64)> = column
                .iter()
                .map(|&vertex| wanted_height(vertices, vertex, use_before, use_after))
                .collect();
            settle(vertices, column, &wanted);
        }
    }
    let top = vertices
        .iter()
        .map(|vertex| vertex.y - vertex.size.height / 2.0)
        .fold(f64::INFINITY, f64::min);
    for vertex in vertices {
        vertex.y -= top;
    }
}

/// Where a vertex would be in the middle of its neighbours, and how much that counts.
fn wanted_height(vertices: &[Vertex], vertex: usize, before: bool, after: bool) -> (f64, f64) {
    let own = &vertices[vertex];
    let neighbours = own
        .before
        .iter()
        .filter(|_| before)
        .chain(own.after.iter().filter(|_| after));
    let (mut sum, mut weight) = (0.0, 0.0);
    for &neighbour in neighbours {
        // Edges should be straight where they pass columns.
        let counts = match (own.is_lane, vertices[neighbour].is_lane) {
            (true, true) => 8.0,
            (true, false) | (false, true) => 2.0,
            (false, false) => 1.0,
        };
        sum += vertices[neighbour].y * counts;
        weight += counts;
    }
    if weight > 0.0 {
        (sum / weight, weight)
    } else {
        (own.y, 0.1)
    }
}

/// The heights next to the wanted ones that keep the order and the distances of a column:
/// neighbours that would overlap are put together and moved as one.
fn settle(vertices: &mut [Vertex], column: &[usize], wanted: &[(f64, f64)]) {
    struct Block {
        height: f64,
        weight: f64,
        count: usize,
    }
    let mut offsets = Vec::with_capacity(column.len());
    let mut offset = 0.0;
    let mut previous: Option<&Vertex> = None;
    for &index in column {
        let vertex = &vertices[index];
        if let Some(previous) = previous {
            let gap = if vertex.is_lane && previous.is_lane {
                LANE_GAP
            } else {
                GAP
            };
            offset += (previous.size.height + vertex.size.height) / 2.0 + gap;
        }
        offsets.push(offset);
        previous = Some(vertex);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (&(height, weight), offset) in wanted.iter().zip(&offsets) {
        let mut block = Block {
            height: height - offset,
            weight,
            count: 1,
        };
        while let Some(above) = blocks.pop_if(|above| above.height > block.height) {
            let weight = above.weight + block.weight;
            block = Block {
                height: (above.height * above.weight + block.height * block.weight) / weight,
                weight,
                count: above.count + block.count,
            };
        }
        blocks.push(block);
    }
    let heights = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.height, block.count));
    for ((&index, offset), height) in column.iter().zip(&offsets).zip(heights) {
        vertices[index].y = height + offset;
    }
}
