//! The live part of a terminal: lines at its end that are drawn again and again, with events above them.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

/// How wide a terminal is taken to be that does not say.
const WIDTH: usize = 80;

/// The lines that are drawn.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// What stands above all lines.
    head: Option<String>,
    lines: Vec<String>,
    /// How many of them stand on the terminal.
    drawn: usize,
}

impl Screen {
    /// A screen, if stdout is a terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        io::stdout().is_terminal().then(Self::default)
    }

    /// Puts a line above the others, from the next drawing on.
    pub(super) fn title(&mut self, head: String) {
        self.head = Some(head);
    }

    /// What takes the lines away.
    pub(super) fn clear(&mut self) -> String {
        let drawn = std::mem::take(&mut self.drawn);
        if drawn == 0 { String::new() } else { format!("\u{1b}[{drawn}A\u{1b}[J") }
    }

    /// What puts a text above the lines.
    pub(super) fn above(&mut self, text: &str, size: Size) -> String {
        let clear = self.clear();
        format!("{clear}{text}{}", self.draw(size))
    }

    /// What draws other lines in the place of these.
    pub(super) fn show(&mut self, lines: Vec<String>, size: Size) -> String {
        self.lines = lines;
        self.above("", size)
    }

    /// The lines, cut where the terminal ends: what wraps or scrolls cannot be drawn over.
    fn draw(&mut self, size: Size) -> String {
        let most = size.height.saturating_sub(1);
        let mut text = String::new();
        for line in self.head.iter().chain(&self.lines).take(most) {
            let cut: String = line.chars().take(size.width.saturating_sub(1)).collect();
            let _ = writeln!(text, "{cut}");
            self.drawn += 1;
        }
        text
    }
}

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    width: usize,
    height: usize,
}

impl Size {
    /// That of stdout, as it is now.
    pub(super) fn of_stdout() -> Self {
        let (width, height) = terminal_size().unwrap_or((WIDTH, usize::from(u16::MAX)));
        Self { width, height }
    }
}

fn terminal_size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    let (width, height) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_at_the_end_and_within_the_terminal() {
        let mut screen = Screen::default();
        let size = Size { width: 6, height: 3 };
        assert_eq!(screen.above("event\n", size), "event\n");
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(screen.show(lines(&["abcdefgh", "b", "c"]), size), "abcde\nb\n");
        assert_eq!(screen.above("event\n", size), "\u{1b}[2A\u{1b}[Jevent\nabcde\nb\n");
        assert_eq!(screen.show(lines(&["d"]), size), "\u{1b}[2A\u{1b}[Jd\n");
        screen.title("title".into());
        assert_eq!(screen.above("", size), "\u{1b}[1A\u{1b}[Jtitle\nd\n");
        assert_eq!(screen.clear(), "\u{1b}[2A\u{1b}[J");
        assert_eq!(screen.clear(), "");
    }
}
