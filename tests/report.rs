//! `btfgen report`: what the page says of a folder with a small kernel and modules. How it looks, and that it works in a browser, is for
//! `make test-report`.

mod support;

use std::fs;

use serde_json::{Value, json};

use support::folder::Folder;
use support::{btfgen, btfgen_command, compile, encode, must};

/// A folder like a build tree: vmlinux with BTF, modules that were encoded, not encoded, stripped, and one with another definition.
fn tree() -> Folder {
    let folder = Folder::with_samples();
    for dir in ["k/m/net", "k/m/fs"] {
        fs::create_dir_all(folder.file(dir)).expect("folders are made");
    }
    must(folder.path(), "cp", ["base", "k/vmlinux"]);
    must(folder.path(), "cp", ["driver.ko", "k/m/net/fresh.ko"]);
    encode(folder.path(), ["--btf_base", "base", "-o", "k/m/fs/split.ko", "driver.ko"]);
    must(folder.path(), "objcopy", ["-g", "k/m/fs/split.ko", "k/m/fs/stripped.ko"]);
    // `list` is another one than the base's.
    let other = "struct list { struct list *next; long own; }; int walk(struct list *l) { return l->own; }";
    compile(folder.path(), "other", other, &["-O1"]);
    encode(folder.path(), ["--btf_base", "base", "-o", "k/m/fs/other.ko", "other.o"]);
    folder
}

/// The figures of a page.
fn data(page: &str) -> Value {
    let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("it has data");
    serde_json::from_str(data).expect("it is JSON")
}

fn report(folder: &Folder, args: &[&str]) -> Value {
    let run = btfgen(folder.path(), args);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
    data(&String::from_utf8(folder.read("out.html")).expect("UTF-8"))
}

#[test]
fn what_it_says() {
    let folder = tree();
    let before = fs::read(folder.file("k/m/net/fresh.ko")).expect("it is there");
    let data = report(&folder, &["report", "k", "-o", "out.html"]);
    let files = data["files"].as_array().expect("a list");
    let of = |path: &str| {
        files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no {path} in {files:#?}"))
    };
    let paths: Vec<&Value> = files.iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["vmlinux", "fs/other.ko", "fs/split.ko", "fs/stripped.ko", "net/fresh.ko"]);
    let (split, fresh, stripped) = (of("fs/split.ko"), of("net/fresh.ko"), of("fs/stripped.ko"));
    assert_eq!((&split["redundant"], &split["redefined"]), (&json!(0), &json!(0)));
    assert!(split["used"].as_u64() > Some(0), "{split}");
    assert_eq!(split["bytes"], split["written"]);
    assert_eq!(of("fs/other.ko")["redefined"], 1);
    let types = data["types"].as_array().expect("a list");
    let [list] = &types[..] else { panic!("{types:#?}") };
    assert_eq!(
        (&list["kind"], &list["name"], &list["differs"], &list["files"]),
        (&json!("STRUCT"), &json!("list"), &json!(true), &json!([1]))
    );
    // A vmlinux stands by itself.
    assert_eq!(of("vmlinux")["used"], Value::Null);
    // Not encoded: as it would be. Without DWARF: as it is, and nothing is known of functions.
    assert_eq!(fresh["bytes"], split["bytes"]);
    assert_eq!((&stripped["written"], &stripped["left_out"]), (&Value::Null, &Value::Null));
    assert_eq!(stripped["bytes"], split["bytes"]);
    let number = paths.iter().position(|path| *path == "fs/stripped.ko").expect("it is there");
    let unknown = data["unknown"].as_array().expect("a list");
    assert_eq!(*unknown, [json!([number, "it has no DWARF debug information"])]);
    assert_eq!(fs::read(folder.file("k/m/net/fresh.ko")).expect("it is there"), before, "no file is changed");
}

/// Functions that are left out, by the same rules as those of `--functions-report`.
#[test]
fn functions_left_out() {
    let folder = tree();
    let text = "static __attribute__((used)) int twice(int x) { return x; }";
    compile(folder.path(), "a", text, &["-O1"]);
    compile(folder.path(), "b", &text.replace("int x", "long x, long y"), &["-O1"]);
    must(folder.path(), "ld", ["-r", "-o", "k/m/net/twice.ko", "a.o", "b.o"]);
    let data = report(&folder, &["report", "k", "-o", "out.html"]);
    let number = data["files"].as_array().expect("a list").iter().position(|file| file["path"] == "net/twice.ko");
    let functions = data["functions"].as_array().expect("a list");
    let reason = data["reasons"]
        .as_array()
        .expect("a list")
        .iter()
        .position(|r| r.as_str().is_some_and(|r| r.starts_with("ambiguous")));
    assert!(number.is_some() && reason.is_some(), "{data:#}");
    assert!(functions.contains(&json!([number, reason, ["twice"]])), "{functions:?}");
    encode(
        folder.path(),
        ["--btf_base", "base", "--functions-report", "r.tsv", "--btf_encode_detached", "o", "k/m/net/twice.ko"],
    );
    let table = String::from_utf8(folder.read("r.tsv")).expect("UTF-8");
    let reason = data["reasons"][reason.expect("it is there")].as_str().expect("text");
    assert!(table.contains(&format!("\ttwice\tdropped\t{reason}\n")), "{table}");
}

#[test]
fn the_same_page_again_and_elsewhere() {
    let folder = tree();
    report(&folder, &["report", "k", "-o", "out.html"]);
    let page = folder.read("out.html");
    for threads in ["1", "2", "7"] {
        let mut command = btfgen_command(folder.path(), ["report", "k", "-o", "again.html"]);
        assert!(command.env("RAYON_NUM_THREADS", threads).status().expect("it starts").success());
        assert!(folder.read("again.html") == page, "{threads} threads");
    }
    must(folder.path(), "mv", ["k", "elsewhere"]);
    report(&folder, &["report", "./elsewhere/", "-o", "out.html"]);
    assert!(folder.read("out.html") == page, "from another place");
    // With the base named: the same but for its name.
    report(&folder, &["report", "elsewhere", "-B", "elsewhere/vmlinux", "-o", "out.html"]);
    assert!(folder.read("out.html") == page, "with the base named");
}

/// Names of files are not taken for HTML, whatever they are.
#[test]
fn names_of_files() {
    let folder = tree();
    // A folder whose name ends in `<` makes an end tag of what is in it.
    fs::create_dir(folder.file("k/m/net/<")).expect("folder is made");
    for name in ["k/m/net/</script><script>alert(1).ko", "k/m/net/<!--<script>.ko", "k/m/net/&\"'.ko"] {
        fs::copy(folder.file("k/m/fs/split.ko"), folder.file(name)).expect("it is copied");
    }
    let data = report(&folder, &["report", "k", "-o", "out.html"]);
    let page = String::from_utf8(folder.read("out.html")).expect("UTF-8");
    assert_eq!(page.matches("<script").count(), 2, "the data, and the program");
    assert!(!page.contains("<!--"));
    let paths: Vec<&str> =
        data["files"].as_array().expect("a list").iter().filter_map(|file| file["path"].as_str()).collect();
    for name in ["net/</script><script>alert(1).ko", "net/<!--<script>.ko", "net/&\"'.ko"] {
        assert!(paths.contains(&name), "{paths:?}");
    }
}

#[test]
fn what_goes_wrong() {
    let folder = tree();
    // One that cannot be read does not stop the others; the page has it, and the exit code is its.
    folder.write("k/m/fs/bad.ko", b"\x7fELF and no more");
    let run = btfgen(folder.path(), ["report", "k", "-o", "out.html"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.starts_with("btfgen: error: k/m/fs/bad.ko: ") && run.err.lines().count() == 1, "{}", run.err);
    let data = data(&String::from_utf8(folder.read("out.html")).expect("UTF-8"));
    assert_eq!(data["failures"][0][0], "fs/bad.ko");
    assert_eq!(data["files"].as_array().map(Vec::len), Some(5));
    fs::remove_file(folder.file("k/m/fs/bad.ko")).expect("it is removed");
    let before = folder.listing();
    let refuses = |args: &[&str], code: i32, error: &str| {
        let run = btfgen(folder.path(), args);
        assert_eq!((run.code, run.err.as_str()), (code, error), "{args:?}");
        assert!(folder.listing() == before, "{args:?} changed something");
    };
    let over = |file: &str| format!("btfgen: error: {file}: it is an input, and the page would be written over it\n");
    refuses(&["report", "k", "-o", "k/m/fs/split.ko"], 2, &over("k/m/fs/split.ko"));
    refuses(&["report", "k", "-o", "k/vmlinux"], 2, &over("k/vmlinux"));
    refuses(
        &["report", "tests", "-o", "x"],
        1,
        "btfgen: error: tests: the folder cannot be read: No such file or directory (os error 2)\n",
    );
    let text = "btfgen: error: none/out.html: cannot create a temporary file in `none`: No such file or directory (os error 2); make that folder first\n";
    refuses(&["report", "k", "-o", "none/out.html"], 1, text);
    fs::create_dir(folder.file("empty")).expect("folder is made");
    let run = btfgen(folder.path(), ["report", "empty", "-o", "x.html"]);
    assert!(run.code == 2 && run.err.contains("no modules (*.ko) below this folder"), "{}", run.err);
}
