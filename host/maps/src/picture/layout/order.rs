//! In which order the vertices of each column stand, so that few edges cross.

use super::Vertex;

const SWEEPS: usize = 24;
/// Swapping neighbours looks at all pairs of their edges: only in pictures that a person can read.
const SWAP_LIMIT: usize = 2_000;

/// The vertices of each column from top to bottom.
pub(super) fn columns(vertices: &[Vertex]) -> Vec<Vec<usize>> {
    let count = vertices.iter().map(|vertex| vertex.layer + 1).max();
    let mut columns = vec![Vec::new(); count.unwrap_or(0)];
    for (index, vertex) in vertices.iter().enumerate() {
        columns[vertex.layer].push(index);
    }
    let mut best = columns.clone();
    let mut fewest = crossings(vertices, &columns);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        by_barycentre(vertices, &mut columns, sweep % 2 == 0);
        if vertices.len() <= SWAP_LIMIT {
            swap_neighbours(vertices, &mut columns);
        }
        let now = crossings(vertices, &columns);
        if now < fewest {
            fewest = now;
            best.clone_from(&columns);
        }
    }
    best
}

/// The place of each vertex in its column.
fn places(count: usize, columns: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![0; count];
    for column in columns {
        for (place, &vertex) in column.iter().enumerate() {
            places[vertex] = place;
        }
    }
    places
}

fn by_barycentre(vertices: &[Vertex], columns: &mut [Vec<usize>], forwards: bool) {
    let mut places = places(vertices.len(), columns);
    let mut sweep: Vec<&mut Vec<usize>> = columns.iter_mut().collect();
    if !forwards {
        sweep.reverse();
    }
    for column in sweep {
        let mut weighed: Vec<(f64, usize)> = column
            .iter()
            .map(|&vertex| {
                let own = &vertices[vertex];
                let neighbours = if forwards { &own.before } else { &own.after };
                let sum: usize = neighbours.iter().map(|&one| places[one]).sum();
                let float = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
                let centre = if neighbours.is_empty() {
                    float(places[vertex])
                } else {
                    float(sum) / float(neighbours.len())
                };
                (centre, vertex)
            })
            .collect();
        // Stable: those alike stay as they are.
        weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (place, (slot, (_, vertex))) in column.iter_mut().zip(weighed).enumerate() {
            *slot = vertex;
            places[vertex] = place;
        }
    }
}

/// Swaps neighbours as long as that lessens the crossings.
fn swap_neighbours(vertices: &[Vertex], columns: &mut [Vec<usize>]) {
    let mut places = places(vertices.len(), columns);
    for _ in 0..4 {
        let mut is_better = false;
        for column in columns.iter_mut() {
            for upper in 1..column.len() {
                let (one, other) = (column[upper - 1], column[upper]);
                let (mut now, mut swapped) = (0_usize, 0_usize);
                for side in [
                    (&vertices[one].before, &vertices[other].before),
                    (&vertices[one].after, &vertices[other].after),
                ] {
                    for &a in side.0 {
                        for &b in side.1 {
                            now += usize::from(places[a] > places[b]);
                            swapped += usize::from(places[a] < places[b]);
                        }
                    }
                }
                if swapped < now {
                    column.swap(upper - 1, upper);
                    places[one] = upper;
                    places[other] = upper - 1;
                    is_better = true;
                }
            }
        }
        if !is_better {
            return;
        }
    }
}

/// How many pairs of edges between columns cross.
fn crossings(vertices: &[Vertex], columns: &[Vec<usize>]) -> usize {
    let places = places(vertices.len(), columns);
    let mut crossings = 0;
    for column in columns {
        let mut ends: Vec<usize> = Vec::new();
        for &vertex in column {
            let mut of_vertex: Vec<usize> = vertices[vertex]
                .after
                .iter()
                .map(|&to| places[to])
                .collect();
            of_vertex.sort_unstable();
            ends.extend(of_vertex);
        }
        crossings += inversions(&ends);
    }
    crossings
}

/// How many numbers have a smaller one after them: counted in a binary indexed tree.
fn inversions(numbers: &[usize]) -> usize {
    let size = numbers.iter().max().map_or(0, |largest| largest + 1);
    let mut tree = vec![0_usize; size + 1];
    let mut found = 0;
    for (seen, &number) in numbers.iter().enumerate() {
        let mut not_larger = 0;
        let mut at = number + 1;
        while at > 0 {
            not_larger += tree[at];
            at &= at - 1;
        }
        found += seen - not_larger;
        let mut at = number + 1;
        while at <= size {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_are_counted() {
        assert_eq!(inversions(&[0, 1, 1, 2]), 0);
        assert_eq!(inversions(&[2, 1, 0]), 3);
        assert_eq!(inversions(&[1, 3, 0, 2, 0]), 6);
    }
}
