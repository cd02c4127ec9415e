//! What people see of the demo: what happened, line by line, and below it a picture redrawn in
//! place; plain lines alone where that can't be.
//!
//! Everything is drawn by the demo's own task, at most [`FRAMES_PER_SECOND`] times a second.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::picture::{Actor, Scene, Spotlight};
use crate::failure::Failure;
use crate::output::Output;
use crate::terminal::{Paint, Terminal};

const FRAMES_PER_SECOND: u32 = 12;
/// A terminal smaller than this gets plain lines.
const LEAST_COLUMNS: usize = 60;
/// Wider pictures are no clearer.
const MOST_COLUMNS: usize = 132;
/// Lines of a frame beside the key space itself.
const OTHER_LINES: usize = 7;
/// What the picture is; its lines begin below the words.
const KEY_SPACE: &str = "      The key space, from 0000… to ffff…: nodes stand where their ids are";
/// Width of the bar of an act under way.
const BAR_COLUMNS: usize = 30;
/// Width of an act's name.
const NAME_COLUMNS: usize = 11;

/// The demo's stage.
pub(super) struct Stage {
    output: Output,
    terminal: Terminal,
    /// Whether a frame replaces the one before.
    live: bool,
    /// Whether to wait where people need time to follow.
    patient: bool,
    title: String,
    scene: Scene,
    lines: usize,
    caption: [String; 2],
    act: Option<Act>,
    /// Lines of the frame on the screen.
    drawn: usize,
    drawn_at: Instant,
}

struct Act {
    name: &'static str,
    done: usize,
    of: usize,
}

impl Stage {
    /// A stage for `nodes` nodes.
    pub(super) fn new(output: Output, nodes: usize, fast: bool, title: String) -> Self {
        let terminal = Terminal::of_stdout();
        let lines = Scene::lines(nodes);
        let (columns, rows) = terminal.size();
        let fits = columns >= LEAST_COLUMNS && rows >= lines + OTHER_LINES;
        let live = terminal.live && fits && !output.is_json();
        Self {
            output,
            terminal,
            live,
            patient: live && !fast,
            title,
            scene: Scene::default(),
            lines,
            caption: Default::default(),
            act: None,
            drawn: 0,
            drawn_at: Instant::now(),
        }
    }

    pub(super) fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Whether people look on.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Opens the curtain.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        if self.live {
            // Until the curtain falls the cursor is hidden.
            self.output.draw("\x1b[?25l")?;
        }
        let title = self.fit(&self.title, 0);
        self.output.line(if self.live {
            self.terminal.paint(Paint::Bold, &title)
        } else {
            title
        })?;
        self.output.line("")?;
        self.draw()
    }

    /// Ends the show: what follows comes below.
    pub(super) fn close(&mut self) {
        if self.live {
            self.live = false;
            // If stdout is gone, so is the cursor.
            let _ = self.output.draw("\x1b[?25h");
        }
    }

    /// A node enters.
    pub(super) fn enter(&mut self, actor: Actor) {
        self.scene.nodes.push(actor);
    }

    /// The nodes with these numbers die.
    pub(super) fn kill(&mut self, victims: &[usize]) {
        for victim in victims {
            if let Some(node) = self.scene.nodes.get_mut(*victim) {
                node.alive = false;
            }
        }
        self.scene.spotlight = None;
        self.caption = Default::default();
    }

    /// A node that died is back.
    pub(super) fn revive(&mut self, node: usize) {
        if let Some(node) = self.scene.nodes.get_mut(node) {
            node.alive = true;
        }
    }

    /// Shows a lookup and what to say about it, if the next frame is due.
    pub(super) fn show(&mut self, look: impl FnOnce() -> (Spotlight, [String; 2])) {
        if self.live && self.is_due() {
            let (spotlight, caption) = look();
            self.scene.spotlight = Some(spotlight);
            self.caption = caption;
        }
    }

    /// Begins an act of `of` steps.
    pub(super) fn begin(&mut self, name: &'static str, of: usize) -> Result<(), Failure> {
        self.act = Some(Act { name, done: 0, of });
        self.draw()
    }

    /// Tells how far the act has come.
    pub(super) fn progress(&mut self, done: usize) -> Result<(), Failure> {
        if let Some(act) = &mut self.act {
            act.done = done;
        }
        if self.is_due() { self.draw() } else { Ok(()) }
    }

    /// Ends the act with what came of it.
    pub(super) fn end(&mut self, good: bool, what: &str) -> Result<(), Failure> {
        let name = self.act.take().map_or("", |act| act.name);
        let (mark, paint) = if good {
            (self.terminal.pick("✓", "+"), Paint::Green)
        } else {
            (self.terminal.pick("✗", "!"), Paint::Red)
        };
        let text = self.fit(&format!(" {name:<NAME_COLUMNS$} {what}"), 2);
        self.say(&format!(" {}{text}", self.terminal.paint(paint, mark)))
    }

    /// Says something that stays.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Failure> {
        if !self.live {
            return self.output.line(line);
        }
        let frame = core::mem::take(&mut self.drawn);
        let up = if frame == 0 { String::new() } else { format!("\x1b[{frame}A") };
        self.output.draw(&format!("{up}\r\x1b[J{line}\n"))?;
        self.draw()
    }

    /// Waits so that people can follow; elsewhere not at all.
    pub(super) async fn pause(&self, millis: u64) {
        if self.patient {
            sleep(Duration::from_millis(millis)).await;
        }
    }

    /// Waits a share of three seconds, so that an act of `steps` steps takes about that long.
    pub(super) async fn pace(&self, steps: usize) {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        if self.patient {
            sleep(Duration::from_secs(3) / steps).await;
        }
    }

    fn is_due(&self) -> bool {
        self.drawn_at.elapsed() >= Duration::from_secs(1) / FRAMES_PER_SECOND
    }

    /// Draws the whole frame in one write, so that it does not flicker.
    fn draw(&mut self) -> Result<(), Failure> {
        if !self.live {
            return Ok(());
        }
        let frame = self.frame();
        let mut bytes = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        for line in &frame {
            bytes.push_str("\r\x1b[2K");
            bytes.push_str(line);
            bytes.push('\n');
        }
        self.drawn = frame.len();
        self.drawn_at = Instant::now();
        self.output.draw(&bytes)
    }

    fn frame(&self) -> Vec<String> {
        let terminal = self.terminal;
        let mut frame = vec![String::new(), terminal.paint(Paint::Dim, &self.fit(KEY_SPACE, 0))];
        frame.extend(self.scene.draw(terminal, self.lines, self.columns()));
        frame
            .extend(self.caption.iter().map(|line| terminal.paint(Paint::Dim, &self.fit(line, 0))));
        frame.push(self.act.as_ref().map(|act| self.bar(act)).unwrap_or_default());
        frame
    }

    fn bar(&self, act: &Act) -> String {
        let Act { name, done, of } = act;
        let full = (BAR_COLUMNS * done) / (*of).max(1);
        let full = full.min(BAR_COLUMNS);
        let (on, off) = self.terminal.pick(("━", "─"), ("=", "-"));
        let bar = self.terminal.paint(Paint::Cyan, &on.repeat(full));
        let rest = self.terminal.paint(Paint::Dim, &off.repeat(BAR_COLUMNS - full));
        format!("   {name:<NAME_COLUMNS$} {bar}{rest} {done} of {of}")
    }

    /// One column stays free: writing into the last one wraps on some terminals.
    fn columns(&self) -> usize {
        self.terminal.size().0.min(MOST_COLUMNS + 1) - 1
    }

    fn fit(&self, text: &str, taken: usize) -> String {
        if !self.live {
            return text.to_owned();
        }
        text.chars().take(self.columns().saturating_sub(taken)).collect()
    }
}

/// Whatever happens, the cursor comes back.
impl Drop for Stage {
    fn drop(&mut self) {
        self.close();
    }
}
