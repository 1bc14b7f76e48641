//! The features of BTF on the command line: pahole's lists of them, and its older flags for single ones.
//!
//! What counts is the order. The first list turns off what it does not name, and with it the flags before it; later lists only
//! add; flags behind the first list change what it says.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use encoder::options::Features;

/// A feature that lists may name.
struct Feature {
    name: &'static str,
    /// What `default` stands for has it.
    usual: bool,
    /// What `all` stands for has it.
    of_all: bool,
    turn_on: fn(&mut Choice),
}

const fn feature(name: &'static str, usual: bool, turn_on: fn(&mut Choice)) -> Feature {
    Feature { name, usual, of_all: true, turn_on }
}

/// All of them, in pahole's order. Those that turn nothing on are always so here, or have no effect in pahole either.
static FEATURES: [Feature; 16] = [
    feature("encode_force", true, |_| {}),
    feature("var", true, |c| c.features.var = true),
    feature("float", true, |c| c.features.float = true),
    feature("decl_tag", true, |c| c.features.decl_tag = true),
    feature("type_tag", true, |c| c.features.type_tag = true),
    feature("enum64", true, |c| c.features.enum64 = true),
    feature("optimized_func", true, |_| {}),
    feature("consistent_func", true, |c| c.features.consistent_func = true),
    feature("decl_tag_kfuncs", true, |c| c.features.decl_tag_kfuncs = true),
    feature("reproducible_build", false, |_| {}),
    Feature { name: "distilled_base", usual: false, of_all: false, turn_on: |c| c.distilled_base = true },
    feature("global_var", false, |c| c.features.global_var = true),
    feature("attributes", false, |c| c.features.attributes = true),
    feature("true_signature", false, |c| c.features.true_signature = true),
    feature("layout", false, |c| c.features.layout = true),
    feature("force_cu_merging", false, |_| {}),
];

/// What a flag does.
type Flag = fn(&mut Features);

/// Flags from the time before lists: each changes a single feature.
static FLAGS: [(&str, Flag); 10] = [
    ("btf_gen_floats", |f| f.float = true),
    ("skip_encoding_btf_vars", |f| f.var = false),
    ("skip_encoding_btf_decl_tag", |f| f.decl_tag = false),
    ("skip_encoding_btf_type_tag", |f| f.type_tag = false),
    ("skip_encoding_btf_enum64", |f| f.enum64 = false),
    ("skip_encoding_btf_inconsistent_proto", |f| f.consistent_func = true),
    ("btf_attributes", |f| f.attributes = true),
    ("btf_encode_force", |_| {}),
    ("btf_gen_optimized", |_| {}),
    ("reproducible_build", |_| {}),
];

const LIST: &str = "btf_features";
const STRICT: &str = "btf_features_strict";
/// A flag that stands for the list `all`.
const ALL: &str = "btf_gen_all";
const SUPPORTED: &str = "supported_btf_features";

/// What was said about features.
#[derive(Clone, Debug, Default)]
pub struct FeatureArgs {
    words: Vec<Word>,
    /// Only the names of the features are wanted ([`names`]).
    pub only_names: bool,
}

/// A list or a flag, in the order of the command line.
#[derive(Clone, Debug)]
enum Word {
    List { list: String, strict: bool },
    Flag(usize),
}

/// What it comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The features of the types.
    pub features: Features,
    /// A base for the module's own use is wanted, too, which is not a feature of its types.
    pub distilled_base: bool,
    /// Remarks for `-v`.
    pub remarks: Vec<String>,
}

/// The names of all features, separated by commas.
pub fn names() -> String {
    FEATURES.each_ref().map(|f| f.name).join(",")
}

impl FeatureArgs {
    /// Whether features were listed.
    pub fn has_list(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Word::List { .. }))
    }

    /// The features that were chosen; `otherwise` is what flags change as long as there is no list.
    ///
    /// # Errors
    /// A name that is not known, in a list that has to be.
    pub fn choose(&self, otherwise: Features) -> Result<Choice, String> {
        let mut choice = Choice { features: otherwise, distilled_base: false, remarks: Vec::new() };
        let mut is_first = true;
        for word in &self.words {
            match word {
                Word::Flag(number) => FLAGS[*number].1(&mut choice.features),
                Word::List { list, strict } => {
                    if std::mem::take(&mut is_first) {
                        choice.features = Features::NONE;
                    }
                    choice.add(list, *strict)?;
                }
            }
        }
        Ok(choice)
    }
}

impl Choice {
    fn add(&mut self, list: &str, strict: bool) -> Result<(), String> {
        let rest = list.strip_prefix('+');
        if rest.is_some() {
            self.turn_on(|f| f.usual);
        }
        for name in rest.unwrap_or(list).split(',').filter(|name| !name.is_empty()) {
            match name {
                "default" => self.turn_on(|f| f.usual),
                "all" => self.turn_on(|f| f.of_all),
                _ if FEATURES.iter().any(|f| f.name == name) => self.turn_on(|f| f.name == name),
                _ if strict => return Err(format!("feature `{name}` is not known; known are {}", names())),
                _ => self.remarks.push(format!("feature `{name}` is not known and ignored")),
            }
        }
        Ok(())
    }

    fn turn_on(&mut self, wanted: impl Fn(&Feature) -> bool) {
        FEATURES.iter().filter(|f| wanted(f)).for_each(|f| (f.turn_on)(self));
    }
}

impl Args for FeatureArgs {
    fn augment_args(command: Command) -> Command {
        let list = |name: &'static str| Arg::new(name).long(name).value_name("LIST").action(ArgAction::Append);
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).overrides_with(name);
        let command = command
            .arg(
                list(LIST)
                    .alias("btf-features")
                    .alias("features")
                    .help("Features of BTF to write, as pahole names them; +LIST: besides the\nusual ones"),
            )
            .arg(list(STRICT).help("The same, but a name that is not known is an error"))
            .arg(flag(SUPPORTED).help("Print the features that --btf_features knows"));
        // They are there for those who have them in scripts.
        let old = FLAGS.iter().map(|(name, _)| *name).chain([ALL]);
        old.fold(command, |command, name| command.arg(flag(name).hide(true)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        FeatureArgs::augment_args(command)
    }
}

impl FromArgMatches for FeatureArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<FeatureArgs, clap::Error> {
        let mut found: Vec<(usize, Word)> = Vec::new();
        for (id, strict) in [(LIST, false), (STRICT, true)] {
            let values = matches.get_many::<String>(id).into_iter().flatten();
            let places = matches.indices_of(id).into_iter().flatten();
            found.extend(places.zip(values.map(|list| Word::List { list: list.clone(), strict })));
        }
        let mut add = |id: &str, word: Word| {
            let place =
                matches.indices_of(id).filter(|_| matches.get_flag(id)).and_then(|mut places| places.next_back());
            found.extend(place.map(|place| (place, word)));
        };
        FLAGS.iter().enumerate().for_each(|(number, (name, _))| add(name, Word::Flag(number)));
        add(ALL, Word::List { list: "all".into(), strict: false });
        found.sort_by_key(|(place, _)| *place);
        let words = found.into_iter().map(|(_, word)| word).collect();
        Ok(FeatureArgs { words, only_names: matches.get_flag(SUPPORTED) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = FeatureArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(words: &str) -> Result<Choice, String> {
        let command = FeatureArgs::augment_args(Command::new("x"));
        let matches = command.get_matches_from(["x"].into_iter().chain(words.split_whitespace()));
        FeatureArgs::from_arg_matches(&matches).expect("it fits").choose(Features::USUAL)
    }

    fn features(words: &str) -> Features {
        choose(words).expect("all are known").features
    }

    const ALL_FEATURES: Features =
        Features { global_var: true, attributes: true, true_signature: true, layout: true, ..Features::USUAL };

    #[test]
    fn lists() {
        assert_eq!(features(""), Features::USUAL);
        assert_eq!(features("--btf_features="), Features::NONE);
        assert_eq!(
            features("--btf_features=var,,float --features enum64"),
            Features { var: true, float: true, enum64: true, ..Features::NONE }
        );
        for usual in
            ["default", "+", "+reproducible_build", "force_cu_merging,default", "encode_force,+ --btf_features=default"]
        {
            assert_eq!(features(&format!("--btf_features={usual}")), Features::USUAL, "{usual}");
        }
        assert_eq!(features("--btf_features=+layout"), Features { layout: true, ..Features::USUAL });
        for all in ["--btf_features=all", "--btf_features_strict=var,all", "--btf_gen_all"] {
            assert_eq!(choose(all).map(|c| (c.features, c.distilled_base)), Ok((ALL_FEATURES, false)), "{all}");
        }
        assert!(choose("--btf_features=distilled_base").is_ok_and(|c| c.distilled_base));
    }

    #[test]
    fn the_table_is_complete() {
        for f in &FEATURES {
            let mut alone = Choice { features: Features::NONE, distilled_base: false, remarks: Vec::new() };
            (f.turn_on)(&mut alone);
            let inert = ["encode_force", "optimized_func", "reproducible_build", "force_cu_merging"].contains(&f.name);
            assert_eq!(alone.features == Features::NONE && !alone.distilled_base, inert, "{}", f.name);
            assert_eq!(features(&format!("--btf_features_strict={}", f.name)), alone.features, "{}", f.name);
        }
    }

    #[test]
    fn unknown_names() {
        let choice = choose("--btf_features=float,nonsense,va+r").expect("they are ignored");
        assert_eq!(choice.features, Features { float: true, ..Features::NONE });
        assert_eq!(
            choice.remarks,
            ["feature `nonsense` is not known and ignored", "feature `va+r` is not known and ignored"]
        );
        let error = choose("--btf_features=float --btf_features_strict=var,nonsense").unwrap_err();
        assert!(error.starts_with("feature `nonsense` is not known; known are encode_force,var,"), "{error}");
    }

    #[test]
    fn flags_before_and_behind_lists() {
        assert!(!features("--skip_encoding_btf_vars").var);
        let f = features("--skip_encoding_btf_vars --btf_gen_floats --btf_features=var --btf_features=enum64");
        assert_eq!(f, Features { var: true, enum64: true, ..Features::NONE });
        assert!(!features("--btf_features=default --skip_encoding_btf_enum64").enum64);
        assert!(features("--btf_features=default --skip_encoding_btf_enum64 --btf_features=enum64").enum64);
        assert!(!features("--btf_gen_all --skip_encoding_btf_type_tag").type_tag);
        assert!(features("--btf_attributes --btf_attributes").attributes);
        assert_eq!(features("--btf_encode_force --btf_gen_optimized --reproducible_build"), Features::USUAL);
    }
}
