//! Progress of a long command: a bar in a terminal, a line for each quarter elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::output::print;

/// A progress display. The bar is removed on drop, so also when the command is interrupted.
pub(super) struct Progress {
    /// `None` outside a terminal.
    bar: Option<ProgressBar>,
    quarters: Quarters,
    /// Verb and noun of "upgraded 2 of 5 tenants".
    labels: [&'static str; 2],
}

impl Progress {
    /// Creates a display for `total` items. `labels` are a past-tense verb and a plural noun.
    pub(super) fn new(total: usize, labels: [&'static str; 2]) -> Self {
        let [verb, noun] = labels;
        // Standard error, like the logs.
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            bar.set_style(style(&format!("{verb} {{bar:32}} {{pos}} of {{len}} {noun} {{eta:>4}}")));
            bar.with_finish(ProgressFinish::AndClear)
        });
        Self { bar, quarters: Quarters { total, done: 0 }, labels }
    }

    /// Adds `count` finished items.
    pub(super) fn advance(&mut self, count: usize) {
        let quarter_reached = self.quarters.advance(count);
        let Quarters { total, done } = self.quarters;
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if quarter_reached => {
                let [verb, noun] = self.labels;
                print(format_args!("{verb} {done} of {total} {noun}"));
            }
            None => {}
        }
    }

    /// Prints a line above the bar.
    pub(super) fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print(line)),
            None => print(line),
        }
    }
}

#[derive(Debug)]
struct Quarters {
    total: usize,
    done: usize,
}

impl Quarters {
    /// Returns whether another quarter is complete. False at the end, which callers report themselves.
    fn advance(&mut self, count: usize) -> bool {
        let quarter = |done: usize| done.saturating_mul(4) / self.total.max(1);
        let before = quarter(self.done);
        let now = quarter(self.done + count);
        self.done += count;
        now > before && self.done < self.total
    }
}

/// Parses a template. An invalid one falls back to the default bar, since it only affects the looks.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reports_each_quarter_once() {
        let reports = |total, step| {
            let mut quarters = Quarters { total, done: 0 };
            (0..total.div_ceil(step)).filter(|_| quarters.advance(step)).count()
        };
        assert_eq!([reports(5_000, 100), reports(100, 1), reports(8, 2), reports(2, 1)], [3, 3, 3, 1]);
        assert_eq!([reports(2, 2), reports(1, 1), reports(100, 100)], [0, 0, 0], "a single step");
    }
}
