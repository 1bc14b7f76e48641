//! A folder in which a program is run again and again, and what tells whether it did damage there.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::btfgen_command;

/// First part of the names of temporary files.
const TEMPORARY: &str = ".btfgen-";
/// An extended attribute of the files that are replaced, where they can have any.
const ATTRIBUTE: &str = "user.test";

/// What a program does: its arguments, and the files that it writes, in the order in which they come to their places.
#[derive(Clone)]
pub struct Scenario {
    /// For messages.
    pub name: &'static str,
    /// Arguments of btfgen.
    pub args: Vec<String>,
    /// Another program, to see what the checks make of it.
    pub instead: Option<&'static str>,
    /// Names of the files, in the folder.
    pub outputs: Vec<&'static str>,
    /// If the last one is a report: what it says when there is nothing to report. It does not belong to the others.
    pub nothing: Option<&'static str>,
}

/// What of a file must be the old or the new.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    bytes: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    attribute: Vec<u8>,
}

/// A folder where a scenario is played.
pub struct Lab {
    pub folder: PathBuf,
    pub scenario: Scenario,
    old: Vec<Option<Contents>>,
    new: Vec<Option<Contents>>,
    /// All names that belong there.
    names: Vec<String>,
    /// Inodes and times of modification of the outputs when they were put there.
    put: RefCell<Vec<Stamp>>,
}

type Stamp = Option<(u64, i64, i64)>;

/// How many of the outputs are new, the others being old.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Old,
    New,
    /// Of files that belong together, the first ones: possible only between two renames.
    Between,
}

/// How a run ended.
#[derive(Debug)]
pub struct End {
    /// Exit code, if no signal ended it.
    pub code: Option<i32>,
    /// Standard error.
    pub said: String,
}

impl From<Output> for End {
    fn from(output: Output) -> End {
        End { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }
}

impl Lab {
    /// Plays the scenario once, undisturbed, to learn what it makes of the folder.
    ///
    /// # Errors
    /// It fails, changes nothing, or makes something else of its own result.
    pub fn new(folder: &Path, scenario: Scenario) -> Result<Lab, String> {
        let (folder, name) = (folder.to_owned(), scenario.name);
        for output in &scenario.outputs {
            let path = folder.join(output);
            if path.exists() {
                let _ = rustix::fs::setxattr(&path, ATTRIBUTE, b"kept", rustix::fs::XattrFlags::empty());
            }
        }
        let mut lab =
            Lab { folder, scenario, old: Vec::new(), new: Vec::new(), names: Vec::new(), put: RefCell::default() };
        lab.old = lab.now();
        let end = lab.run();
        if end.code != Some(0) {
            return Err(format!("{name} fails undisturbed ({:?}): {}", end.code, end.said));
        }
        lab.new = lab.now();
        if lab.old.iter().zip(&lab.new).any(|(old, new)| old == new) {
            return Err(format!("{name}: an output is as it was"));
        }
        lab.names = names(&lab.folder);
        lab.reset();
        Ok(lab)
    }

    fn now(&self) -> Vec<Option<Contents>> {
        self.scenario.outputs.iter().map(|name| contents(&self.folder.join(name))).collect()
    }

    /// The program, ready to run; behind another one, if there is one to run it (`strace`).
    pub fn command(&self, behind: &[String]) -> Command {
        let own = match self.scenario.instead {
            Some(script) => {
                let mut command = Command::new("sh");
                command.args(["-ec", script]).current_dir(&self.folder);
                command
            }
            None => btfgen_command(&self.folder, &self.scenario.args),
        };
        let mut command = match behind.split_first() {
            None => own,
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(own.get_program()).args(own.get_args()).current_dir(&self.folder);
                own.get_envs().for_each(|(name, _)| _ = command.env_remove(name));
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs it undisturbed.
    pub fn run(&self) -> End {
        self.command(&[]).output().expect("it starts").into()
    }

    /// Puts everything back as it was. What nobody wrote to since then stays.
    pub fn reset(&self) {
        let stamps = self.stamps();
        let mut put = self.put.borrow_mut();
        for (i, (name, old)) in self.scenario.outputs.iter().zip(&self.old).enumerate() {
            let path = self.folder.join(name);
            match old {
                Some(_) if put.get(i).is_some_and(|put| *put == stamps[i]) => {}
                Some(old) => self::put(&path, old),
                None if path.exists() => fs::remove_file(&path).expect("it is there"),
                None => {}
            }
        }
        for name in self.temporaries() {
            fs::remove_file(self.folder.join(name)).expect("it is there");
        }
        *put = self.stamps();
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |name| {
            let metadata = fs::metadata(self.folder.join(name)).ok()?;
            Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
        };
        self.scenario.outputs.iter().map(stamp).collect()
    }

    /// Temporary files that were left.
    pub fn temporaries(&self) -> Vec<String> {
        names(&self.folder).into_iter().filter(|name| name.starts_with(TEMPORARY)).collect()
    }

    /// The state of the outputs. Temporary files may be there if `killed`.
    ///
    /// # Errors
    /// An output that is neither the old nor the new one; a new one before one that should come first; a file that does not belong there.
    pub fn state(&self, killed: bool) -> Result<State, String> {
        let now = self.now();
        let mut count = 0;
        for (i, now) in now.iter().enumerate() {
            let name = self.scenario.outputs[i];
            if *now == self.new[i] {
                if count != i {
                    return Err(format!("{name} is new, but the file before it is old"));
                }
                count += 1;
            } else if *now != self.old[i] && !self.is_empty_report(i, now.as_ref()) {
                let what =
                    now.as_ref().map_or("gone".into(), |now| format!("neither old nor new: {} bytes", now.bytes.len()));
                return Err(format!("{name} is {what}"));
            }
        }
        let strangers = names(&self.folder).into_iter().filter(|name| !self.names.contains(name));
        if let Some(name) = strangers.into_iter().find(|name| !(killed && name.starts_with(TEMPORARY))) {
            return Err(format!("{name} was left"));
        }
        Ok(match count {
            0 => State::Old,
            _ if count == now.len() => State::New,
            _ => State::Between,
        })
    }

    fn is_empty_report(&self, output: usize, now: Option<&Contents>) -> bool {
        let nothing = self.scenario.nothing.filter(|_| output + 1 == self.old.len());
        nothing.zip(now).is_some_and(|(nothing, now)| now.bytes == nothing.as_bytes())
    }

    /// What a run that was not killed may leave: all new and nothing to say, or all old and one line that says why. `renaming`: whether
    /// a rename failed, so that only some files may be new.
    pub fn judge(&self, end: &End, renaming: bool) -> Result<State, String> {
        let state = self.state(false)?;
        let resolves = self.scenario.args.first().is_some_and(|word| word == "resolve_btfids");
        let code = match end.code {
            Some(0) if state == State::New => return Ok(state),
            Some(code @ 1..=10) if !resolves => code,
            Some(255) if resolves => 255,
            code => return Err(format!("ended with {code:?}, files are {state:?}: {}", end.said)),
        };
        // Warnings of resolve_btfids are no errors.
        let said: Vec<_> = end.said.lines().filter(|line| !line.starts_with("WARN: ")).collect();
        let said = said.join("\n");
        let start = if resolves { "FAILED" } else { "btfgen: error: " };
        // The report has a line of its own.
        let most = 1 + usize::from(self.scenario.nothing.is_some());
        if !(1..=most).contains(&said.lines().count()) || said.lines().any(|line| !line.starts_with(start)) {
            return Err(format!("ended with {code}, but says {said:?}"));
        }
        if state == State::Old || (state == State::Between && (renaming || self.scenario.nothing.is_some())) {
            return Ok(state);
        }
        Err(format!("ended with {code}, files are {state:?}: {said}"))
    }

    /// After a run that was killed: all is whole, and the next run tidies up. Returns the state, and whether there was something to tidy up.
    pub fn judge_killed(&self) -> Result<(State, bool), String> {
        let state = self.state(true)?;
        let left = !self.temporaries().is_empty();
        if left {
            let end = self.run();
            if end.code != Some(0) || self.state(false)? != State::New {
                return Err(format!("the next run ended with {:?}: {}", end.code, end.said));
            }
        }
        Ok((state, left))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("it is readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn contents(path: &Path) -> Option<Contents> {
    let bytes = fs::read(path).ok()?;
    let metadata = fs::metadata(path).ok()?;
    let mut attribute = vec![0; 64];
    let size = rustix::fs::getxattr(path, ATTRIBUTE, &mut attribute[..]).unwrap_or(0);
    attribute.truncate(size);
    Some(Contents { bytes, mode: metadata.mode(), owner: (metadata.uid(), metadata.gid()), attribute })
}

fn put(path: &Path, contents: &Contents) {
    // What is there may be hard to write to.
    let _ = fs::remove_file(path);
    fs::write(path, &contents.bytes).expect("there is room");
    std::os::unix::fs::chown(path, Some(contents.owner.0), Some(contents.owner.1)).expect("it is ours");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(contents.mode & 0o7777);
    fs::set_permissions(path, mode).expect("it is ours");
    if !contents.attribute.is_empty() {
        rustix::fs::setxattr(path, ATTRIBUTE, &contents.attribute, rustix::fs::XattrFlags::empty())
            .expect("it had one");
    }
}

/// All ways to write files, on small inputs, in folders of their own.
pub fn scenarios(at: &Path) -> Vec<Result<Lab, String>> {
    use crate::support::folder::Folder;
    use crate::support::ids::{Module, SETS};
    let samples = Folder::with_samples();
    let module = Module::new(SETS);
    let mut count = 0;
    let mut lab = |name: &'static str, words: &str, outputs: &[&'static str], before: &dyn Fn(&Path)| {
        count += 1;
        let folder = at.join(count.to_string());
        fs::create_dir(&folder).expect("there is room for temporary files");
        for from in [samples.path(), module.path()] {
            for name in names(from) {
                fs::copy(from.join(&name), folder.join(&name)).expect("there is room for temporary files");
            }
        }
        before(&folder);
        let args = words.split_whitespace().map(str::to_owned).collect();
        let nothing = outputs.contains(&"report").then_some("file\tfunction\tdecision\treason\n");
        Lab::new(&folder, Scenario { name, args, instead: None, outputs: outputs.to_vec(), nothing })
    };
    let nothing = |_: &Path| ();
    // Another owner and an odd mode, which have to be carried over.
    let foreign = |folder: &Path| {
        let file = folder.join("driver.ko");
        let _ = std::os::unix::fs::chown(&file, Some(1234), Some(2345));
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o6751)).expect("it is ours");
    };
    let exist = |names: &'static [&'static str]| {
        move |folder: &Path| names.iter().for_each(|name| fs::write(folder.join(name), "old").expect("there is room"))
    };
    vec![
        lab("in place", "-j1 --btf_base base driver.ko", &["driver.ko"], &foreign),
        lab(
            "a distilled base",
            "-j1 --btf_base base --distill_base --btf_encode_detached out driver.ko",
            &["out.base", "out"],
            &exist(&["out", "out.base"]),
        ),
        lab(
            "resolve_btfids, side files",
            "resolve_btfids --btf m.1 -b vmlinux --distill_base m.ko",
            &["m.ko.BTF.base", "m.ko.BTF_ids", "m.ko.BTF"],
            &exist(&["m.ko.BTF"]),
        ),
        lab("a new copy", "-j1 --btf_base base -o copy driver.ko", &["copy"], &nothing),
        lab("object and ids", "-j1 --btf_object out --btf_ids ids m.ko --no-base", &["ids", "out"], &nothing),
        lab("resolve_btfids in place", "resolve_btfids -b vmlinux m.ko", &["m.ko"], &|folder| {
            crate::support::encode(folder, ["--btf_base", "vmlinux", "--no-btf-ids", "m.ko"]);
        }),
        lab("--patch_btfids", "resolve_btfids --patch_btfids blob m.ko", &["m.ko"], &|folder| {
            let ids = crate::support::section(&folder.join("m.ko"), ".BTF_ids").expect("it has ids");
            fs::write(folder.join("blob"), ids.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).expect("there is room");
        }),
        lab(
            "a report, too",
            "-j1 --btf_base base --functions-report report driver.ko",
            &["driver.ko", "report"],
            &nothing,
        ),
    ]
}

/// A large module, in place, on a base that stays where it is.
pub fn large(folder: &Path, module: &Path, base: &Path) -> Result<Lab, String> {
    fs::create_dir(folder).and_then(|()| fs::copy(module, folder.join("module.ko"))).map_err(|e| e.to_string())?;
    let args = vec!["--btf_base".into(), base.display().to_string(), "module.ko".into()];
    let (name, outputs) = ("the large module in place", vec!["module.ko"]);
    Lab::new(folder, Scenario { name, args, instead: None, outputs, nothing: None })
}

/// A program that writes as many do: into the file itself.
pub fn careless(folder: &Path, script: &'static str) -> Result<Lab, String> {
    fs::create_dir(folder).expect("there is room for temporary files");
    fs::write(folder.join("new"), vec![b'n'; 300_000]).expect("there is room for temporary files");
    fs::write(folder.join("file"), vec![b'o'; 300_000]).expect("there is room for temporary files");
    Lab::new(
        folder,
        Scenario {
            name: "a careless program",
            args: Vec::new(),
            instead: Some(script),
            outputs: vec!["file"],
            nothing: None,
        },
    )
}
