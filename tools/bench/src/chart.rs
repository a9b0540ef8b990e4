//! A bar chart as SVG (<https://www.w3.org/TR/SVG2/>), for the documentation.

use std::fmt::Write;

/// A bar: its name and its value.
#[derive(Debug, Clone)]
pub struct Bar {
    /// The text left of the bar.
    pub name: String,
    /// The value, at least 0; 1 is the program that all are compared with.
    pub value: f64,
}

const ROW: usize = 24;
const LEFT: usize = 300;
const WIDTH: f64 = 340.0;

/// Returns horizontal bars with a title. The longest one has the full width.
#[must_use]
pub fn horizontal_bars(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW * (bars.len() + 2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>text {{ font: 14px sans-serif; fill: #57606a }} rect {{ fill: #0969da }}</style>\n\
         <text x=\"0\" y=\"16\">{title}</text>\n"
    );
    for (index, Bar { name, value }) in bars.iter().enumerate() {
        let top = ROW * (index + 1) + 8;
        let (width, baseline, name_end) = (value / longest * WIDTH, top + 13, LEFT - 8);
        // Writing to a string can't fail.
        let _ = writeln!(
            svg,
            "<text x=\"{name_end}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.0}\" height=\"16\"/>\
             <text x=\"{:.0}\" y=\"{baseline}\">{value:.2}</text>",
            306.0 + width
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_bar_has_full_width() {
        let bar = |name: &str, value| Bar { name: name.into(), value };
        let svg = horizontal_bars("Throughput", &[bar("one", 1.0), bar("half", 0.5)]);
        assert!(svg.contains("width=\"340\"") && svg.contains("width=\"170\""), "{svg}");
        assert_eq!(svg.matches("<rect x").count(), 2);
    }
}
