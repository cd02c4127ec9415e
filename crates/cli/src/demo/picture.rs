//! The key space drawn as lines: every node at the place its id gives it.
//!
//! With several lines, each is one part of the key space: all ids that begin with the same bits.

use client::Key;

use crate::terminal::{Paint, Terminal};

/// What is on stage.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) nodes: Vec<Actor>,
    pub(super) spotlight: Option<Spotlight>,
}

/// A node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Actor {
    pub(super) id: Key,
    pub(super) alive: bool,
}

/// A lookup to look at.
#[derive(Clone, Debug)]
pub(super) struct Spotlight {
    pub(super) key: Key,
    /// Ids of the nodes that store the value.
    pub(super) holders: Vec<Key>,
    /// Id of the node that asks.
    pub(super) asker: Key,
}

/// What one place of the picture shows; the later ones cover the earlier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cell {
    Empty,
    Dead,
    Alive,
    Key,
    DeadHolder,
    Holder,
    Asker,
}

impl Cell {
    fn draw(self, terminal: Terminal) -> String {
        let (pretty, plain, paint) = match self {
            Self::Empty => ("·", ".", Some(Paint::Dim)),
            Self::Dead => ("×", "x", Some(Paint::Red)),
            Self::Alive => ("●", "o", Some(Paint::Green)),
            Self::Key => ("│", "|", Some(Paint::Bold)),
            Self::DeadHolder => ("✗", "X", Some(Paint::Red)),
            Self::Holder => ("◆", "#", Some(Paint::Yellow)),
            Self::Asker => ("▲", "?", Some(Paint::Cyan)),
        };
        let letter = terminal.pick(pretty, plain);
        paint.map_or(letter.to_owned(), |paint| terminal.paint(paint, letter))
    }
}

impl Scene {
    /// How many lines the key space takes: enough that most nodes have a place of their own.
    pub(super) fn lines(nodes: usize) -> usize {
        match nodes {
            0..=24 => 1,
            25..=80 => 2,
            81..=200 => 4,
            _ => 8,
        }
    }

    /// The picture, `columns` wide, and what its letters mean.
    pub(super) fn draw(&self, terminal: Terminal, lines: usize, columns: usize) -> Vec<String> {
        let width = columns.saturating_sub(LABEL_COLUMNS).max(8);
        let mut cells = vec![vec![Cell::Empty; width]; lines];
        let mut put = |key: &Key, cell: Cell| {
            let (line, column) = place(key, lines, width);
            if let Some(place) = cells.get_mut(line).and_then(|line| line.get_mut(column)) {
                *place = (*place).max(cell);
            }
        };
        for node in &self.nodes {
            put(&node.id, if node.alive { Cell::Alive } else { Cell::Dead });
        }
        if let Some(Spotlight { key, holders, asker }) = &self.spotlight {
            put(key, Cell::Key);
            for holder in holders {
                let alive = self.nodes.iter().any(|node| node.id == *holder && node.alive);
                put(holder, if alive { Cell::Holder } else { Cell::DeadHolder });
            }
            put(asker, Cell::Asker);
        }
        let mut picture: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(line, cells)| {
                let drawn: String = cells.iter().map(|cell| cell.draw(terminal)).collect();
                format!("{} {drawn}", terminal.paint(Paint::Dim, &label(line, lines)))
            })
            .collect();
        picture.push(self.legend(terminal));
        picture
    }

    fn legend(&self, terminal: Terminal) -> String {
        let alive = self.nodes.iter().filter(|node| node.alive).count();
        let dead = self.nodes.len() - alive;
        let mut parts = vec![format!("{} {alive} alive", Cell::Alive.draw(terminal))];
        if dead > 0 {
            parts.push(format!("{} {dead} dead", Cell::Dead.draw(terminal)));
        }
        if self.spotlight.is_some() {
            parts.push(format!("{} key", Cell::Key.draw(terminal)));
            parts.push(format!("{} stores it", Cell::Holder.draw(terminal)));
            parts.push(format!("{} asks", Cell::Asker.draw(terminal)));
        }
        format!("{}{}", " ".repeat(LABEL_COLUMNS), parts.join("   "))
    }
}

/// Columns before the picture: four digits and two spaces, one at each side.
const LABEL_COLUMNS: usize = 6;

/// How the ids of a line begin.
fn label(line: usize, lines: usize) -> String {
    format!(" {:04x}", line * (0x1_0000 / lines))
}

/// Line and column of a key: its leading bits choose the line, those that follow the column.
fn place(key: &Key, lines: usize, width: usize) -> (usize, usize) {
    let [head] = [key.id::<4>()].map(u32::from_be_bytes);
    let scaled = u64::from(head) * lines as u64;
    let line = scaled >> 32;
    let column = ((scaled & 0xffff_ffff) * width as u64) >> 32;
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    (index(line), index(column))
}

#[cfg(test)]
mod tests;
