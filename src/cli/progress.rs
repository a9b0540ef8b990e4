//! How far a long command has come: a bar in a terminal, a line for each quarter elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::print;

/// So many of so many. The bar goes when this does, also where the command is given up.
pub(super) struct Progress {
    /// Elsewhere than in a terminal there is none.
    bar: Option<ProgressBar>,
    quarters: Quarters,
    /// What is counted: "upgraded 2 of 5 tenants".
    words: [&'static str; 2],
}

impl Progress {
    /// None of so many yet. `words` are what is done, and to what.
    pub(super) fn new(length: usize, words: [&'static str; 2]) -> Self {
        let [done, what] = words;
        // Standard error is where the logs go, too.
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
            bar.set_style(style(&format!("{done} {{bar:32}} {{pos}} of {{len}} {what} {{eta:>4}}")));
            bar.with_finish(ProgressFinish::AndClear)
        });
        Self { bar, quarters: Quarters { length, done: 0 }, words }
    }

    /// So many more.
    pub(super) fn advance(&mut self, more: usize) {
        let told = self.quarters.advance(more);
        let Quarters { length, done } = self.quarters;
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if told => {
                let [verb, what] = self.words;
                print(format_args!("{verb} {done} of {length} {what}"));
            }
            None => {}
        }
    }

    /// Something that is to stay in the terminal, above the bar.
    pub(super) fn print(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print(words)),
            None => print(words),
        }
    }
}

#[derive(Debug)]
struct Quarters {
    length: usize,
    done: usize,
}

impl Quarters {
    /// Whether another quarter is done, and not everything, which is said in words of its own.
    fn advance(&mut self, more: usize) -> bool {
        let quarter = |done: usize| done.saturating_mul(4) / self.length.max(1);
        let before = quarter(self.done);
        let now = quarter(self.done + more);
        self.done += more;
        now > before && self.done < self.length
    }
}

/// A template that can't be read would only look different.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reports_each_quarter_once() {
        let told = |length, step| {
            let mut quarters = Quarters { length, done: 0 };
            (0..length.div_ceil(step)).filter(|_| quarters.advance(step)).count()
        };
        assert_eq!([told(5_000, 100), told(100, 1), told(8, 2), told(2, 1)], [3, 3, 3, 1]);
        assert_eq!([told(2, 2), told(1, 1), told(100, 100)], [0, 0, 0], "everything at once");
    }
}
