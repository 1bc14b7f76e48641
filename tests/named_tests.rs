//! The tests that docs/compat.md names are there.

mod support;

use std::fs;

/// The last column of the tables from the section Options on, without what stands in parentheses.
fn cells(text: &str) -> Vec<String> {
    let tables = text.split_once("\n## Options").expect("the section is there").1;
    let rows = tables.lines().filter(|line| line.starts_with("| "));
    let last = rows.map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next().expect("there is one"));
    let outside = |cell: &str| cell.split('(').map(|part| part.rsplit(')').next().unwrap_or("").to_owned()).collect();
    last.map(outside).collect()
}

#[test]
fn tests_that_the_tables_name() {
    let root = support::root();
    let text = fs::read_to_string(root.join("docs/compat.md")).expect("it is there");
    let (mut named, mut missing) = (0, Vec::new());
    for cell in cells(&text) {
        // In a cell, a name without a path is that of a function of the file before it.
        let mut file = root.join("tests/pahole.rs");
        for word in cell.split('`').skip(1).step_by(2) {
            let is_there = if let Some(case) = word.strip_prefix("cases/") {
                root.join("tests/cases").join(format!("{case}.c")).is_file()
            } else if word.contains('/') {
                file = root.join(word);
                file.exists()
            } else if word.contains('_') {
                fs::read_to_string(&file).is_ok_and(|source| source.contains(&format!("fn {word}(")))
            } else {
                continue; // a word of C, or `make test-kernel`
            };
            named += 1;
            if !is_there {
                missing.push(word.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "docs/compat.md names {missing:?}");
    assert!(named > 80, "only {named} names were found in docs/compat.md");
}
