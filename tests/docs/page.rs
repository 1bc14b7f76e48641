//! Pages of the documentation, as far as commands go.
//!
//! * A fence of `sh` is run as a whole and must succeed.
//! * A fence of `console` has commands behind `$ ` and below each what it prints, on both outputs; `...` stands for any rest of a line and, on
//!   a line of its own, for any lines. A command may fail if `$ echo $?` follows.
//! * `<!-- run by SCRIPT -->` above a fence of `sh`: the commands, without their remarks, are run by that script, or with another page.
//! * Code in a line that begins with `btfgen ` is run, too; if a word of it is in capitals (FILE), its flags are looked up instead.
//! * Other fences are not run, and have no commands: nothing goes untested because of a slip. Nor are there blocks by indentation.

/// What a page has.
pub struct Page {
    pub blocks: Vec<Block>,
    /// Code in lines, with their numbers.
    pub inline: Vec<(usize, String)>,
}

pub enum Block {
    Shell { line: usize, commands: String },
    Console { line: usize, steps: Vec<Step> },
    Elsewhere { line: usize, script: String, commands: Vec<String> },
}

/// A command, and what comes of it.
pub struct Step {
    pub command: String,
    pub output: Vec<String>,
    pub code: i32,
}

const MARK: (&str, &str) = ("<!-- run by ", " -->");

pub fn parse(text: &str) -> Result<Page, String> {
    let mut page = Page { blocks: Vec::new(), inline: Vec::new() };
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    let mut script: Option<String> = None;
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let mut body = Vec::new();
            loop {
                let Some((_, line)) = lines.next() else { return Err(format!("line {number}: the fence has no end")) };
                if line.trim() == "```" {
                    break;
                }
                body.push(line.trim_end());
            }
            page.blocks.extend(block(language, number, &body, script.take())?);
            continue;
        }
        if let Some(rest) = line.strip_prefix(MARK.0) {
            script = Some(rest.strip_suffix(MARK.1).ok_or(format!("line {number}: a mark without an end"))?.to_owned());
            continue;
        }
        if script.is_some() {
            return Err(format!("line {number}: no fence behind the mark"));
        }
        if line.starts_with("    ") && !line.trim_start().starts_with(['*', '-']) {
            return Err(format!("line {number}: a block by indentation; use a fence"));
        }
        let code = line.split('`').skip(1).step_by(2);
        page.inline.extend(code.filter(|c| c.starts_with("btfgen ")).map(|c| (number, c.to_owned())));
    }
    Ok(page)
}

fn block(language: &str, line: usize, body: &[&str], script: Option<String>) -> Result<Option<Block>, String> {
    match (language, script) {
        ("sh", Some(script)) => {
            let bare = |c: &&str| c.split(" #").next().unwrap_or_default().trim_end().to_owned();
            let commands = body.iter().map(bare).filter(|c| !c.is_empty()).collect();
            Ok(Some(Block::Elsewhere { line, script, commands }))
        }
        ("sh", None) => Ok(Some(Block::Shell { line, commands: body.join("\n") })),
        ("console", None) => Ok(Some(Block::Console { line, steps: steps(line, body)? })),
        (_, Some(_)) => Err(format!("line {line}: only a fence of sh can be run elsewhere")),
        (_, None) => match body.iter().find(|l| l.starts_with("$ ") || l.starts_with("btfgen ")) {
            Some(command) => Err(format!("line {line}: a command in a fence that is not run: {command}")),
            None => Ok(None),
        },
    }
}

fn steps(line: usize, body: &[&str]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut code_follows = false;
    for text in body {
        match (text.strip_prefix("$ "), steps.last_mut()) {
            (Some("echo $?"), Some(_)) => code_follows = true,
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: Vec::new(), code: 0 }),
            (None, Some(step)) if code_follows => {
                step.code = text.parse().map_err(|_| format!("line {line}: no exit code: {text}"))?;
                code_follows = false;
            }
            (None, Some(step)) => step.output.push((*text).to_owned()),
            (None, None) => return Err(format!("line {line}: output without a command")),
        }
    }
    Ok(steps)
}

/// Whether a command has words that stand for something.
pub fn has_placeholder(command: &str) -> bool {
    let stands = |word: &str| {
        let letters = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        word.contains("...") || (letters.len() > 1 && letters.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    command.split([' ', '=', '/', '[', ']', '|']).any(stands)
}

/// Whether the lines of a text are those that a page shows.
pub fn matches(text: &str, shown: &[String]) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // Which of the shown lines may be next, after each line.
    let mut at = closure(vec![0], shown);
    for line in lines {
        let next = at.iter().filter_map(|&i| match shown.get(i)?.as_str() {
            "..." => Some(i),
            wanted => fits(line, wanted).then_some(i + 1),
        });
        at = closure(next.collect(), shown);
    }
    at.contains(&shown.len())
}

/// `...` may stand for no line at all.
fn closure(mut at: Vec<usize>, shown: &[String]) -> Vec<usize> {
    let mut i = 0;
    while let Some(&next) = at.get(i) {
        if shown.get(next).is_some_and(|l| l == "...") && !at.contains(&(next + 1)) {
            at.push(next + 1);
        }
        i += 1;
    }
    at
}

fn fits(line: &str, wanted: &str) -> bool {
    let mut parts: Vec<&str> = wanted.split("...").collect();
    let (first, last) = (parts.remove(0), parts.pop());
    let (Some(mut rest), Some(last)) = (line.strip_prefix(first), last) else { return line == wanted };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Links to other files and within the page.
pub fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|t| !t.contains("://") && !t.contains(' ')).map(str::to_owned).collect()
}

/// The names of headings that links can have, as GitHub makes them.
pub fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim());
    headings
        .map(|h| {
            let kept = h
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}
