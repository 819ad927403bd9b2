//! Regular expressions of a manifest. One that finds nothing, or everything, would make a pass of a run in which
//! nothing was observed.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};

use super::agent_toml::TomlProcesses;
use crate::input::{InputError, Source, shown};
use crate::untrusted::name;

/// Bytes of the longest pattern.
const LONGEST: usize = 4096;

/// Bytes of a compiled pattern.
const COMPILED: usize = 1 << 20;

/// Command lines that are no agent's.
const OTHERS: [&str; 7] = [
    "/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/data",
    "/usr/lib/postgresql/17/bin/postgres --single -D /var/lib/postgresql/data template1",
    "postgres: n1: checkpointer",
    "/usr/lib/postgresql/17/bin/pg_rewind --target-pgdata=/var/lib/postgresql/data",
    "/usr/lib/postgresql/17/bin/pg_basebackup --pgdata=/var/lib/postgresql/data",
    "/sbin/docker-init -- /entrypoint",
    "sh",
];

/// The regular expression at a key.
///
/// # Errors
/// It is none, is too large, can match nothing, or matches an empty text and so everything.
pub(super) fn regex(source: Source<'_>, key: &str, pattern: &str) -> Result<Regex, InputError> {
    let wrong = |problem: &str, help: &str| Err(source.wrong(key, problem, help));
    if pattern.trim().is_empty() {
        return wrong("is empty", "write what the line or the command line holds");
    }
    if pattern.len() > LONGEST {
        return wrong(&format!("is longer than {LONGEST} bytes"), "write the words that tell it from others");
    }
    let none = |error: String| {
        let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let help = "see the syntax of the Rust crate regex; '…' quotes need no escaping";
        source.wrong(key, format!("`{}` is no regular expression: {last}", shown(pattern)), help)
    };
    let parsed = regex_syntax::Parser::new().parse(pattern).map_err(|error| none(error.to_string()))?;
    let built = RegexBuilder::new(pattern).size_limit(COMPILED).build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => source.wrong(
            key,
            format!("`{}` becomes larger than {} MiB when it is compiled", shown(pattern), COMPILED >> 20),
            "repeat less: `{1000}` of something long multiplies it",
        ),
        other => none(other.to_string()),
    })?;
    if never_matches(&parsed) {
        return wrong("can match nothing", "let `^` be the first and `$` the last of it");
    }
    if regex.is_match("") {
        return wrong("matches an empty text, and so everything", "write what must be there, such as `+` for `*`");
    }
    Ok(regex)
}

/// The regular expression that finds the agent's own process.
///
/// # Errors
/// As of [`regex`]; or it matches processes that are no agent's.
pub(super) fn of_agent(source: Source<'_>, key: &str, pattern: &str) -> Result<Regex, InputError> {
    let regex = regex(source, key, pattern)?;
    match OTHERS.into_iter().find(|other| regex.is_match(other)) {
        None => Ok(regex),
        Some(other) => {
            let problem = format!("matches `{other}`, too, which is not the agent");
            let help = r"name the agent's program, such as '^\S*python\S* /opt/agent/bin/patroni '";
            Err(source.wrong(key, problem, help))
        }
    }
}

/// Interpreters, by the beginning of their names: a script is watched by its own name.
const INTERPRETERS: [&str; 8] = ["python", "perl", "ruby", "node", "java", "bash", "dash", "sh"];

/// Most programs of an agent.
const MOST_PROGRAMS: usize = 20;

/// File names of an agent's programs: those that the manifest names, or else those that stand in its pattern.
///
/// # Errors
/// One of them cannot be, or there is none.
pub(super) fn programs(source: Source<'_>, processes: &TomlProcesses) -> Result<Vec<String>, InputError> {
    let key = "processes.names";
    let help = "write the file names of the agent's programs: names = [\"my-agent\"]";
    let Some(named) = &processes.names else {
        let found = in_pattern(&processes.agent);
        return match found.is_empty() {
            true => Err(source.wrong("processes.agent", "names no program", help)),
            false => Ok(found),
        };
    };
    if named.is_empty() || named.len() > MOST_PROGRAMS {
        return Err(source.wrong(key, format!("names no program, or more than {MOST_PROGRAMS}"), help));
    }
    for (index, one) in named.iter().enumerate() {
        let key = format!("{key}[{index}]");
        if let Some(trouble) = name::trouble(one) {
            return Err(source.wrong(&key, format!("`{}` {trouble}", shown(one)), help));
        }
        if is_interpreter(one) {
            let problem = format!("`{one}` runs programs of anybody");
            return Err(source.wrong(&key, problem, "name the script, which is watched by its own name"));
        }
    }
    Ok(named.clone())
}

fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.iter().any(|interpreter| {
        name.strip_prefix(interpreter).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    })
}

/// The file names in a pattern for command lines: the last part of each path, but for interpreters.
fn in_pattern(pattern: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(letters.next().filter(|escaped| matches!(escaped, '.' | '-' | '/')).unwrap_or(' ')),
            letter if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/') => plain.push(letter),
            _ => plain.push(' '),
        }
    }
    let mut names: Vec<String> = Vec::new();
    for word in plain.split(' ') {
        let name = word.rsplit('/').next().unwrap_or_default();
        let telling = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if telling && name::trouble(name).is_none() && !is_interpreter(name) && !names.iter().any(|one| one == name) {
            names.push(name.to_owned());
        }
    }
    names.truncate(MOST_PROGRAMS);
    names
}

/// Says whether nothing matches it, as far as that can be told from its parts.
fn never_matches(hir: &Hir) -> bool {
    if hir.properties().minimum_len().is_none() {
        return true;
    }
    match hir.kind() {
        HirKind::Concat(parts) => {
            let takes = |part: &Hir| part.properties().minimum_len().is_some_and(|least| least > 0);
            let begins = |part: &Hir| part.properties().look_set_prefix().contains(Look::Start);
            let ends = |part: &Hir| part.properties().look_set_suffix().contains(Look::End);
            let late = |at: usize| begins(&parts[at]) && parts[..at].iter().any(takes);
            let early = |at: usize| ends(&parts[at]) && parts[at + 1..].iter().any(takes);
            parts.iter().any(never_matches) || (0..parts.len()).any(|at| late(at) || early(at))
        }
        HirKind::Alternation(parts) => parts.iter().all(never_matches),
        HirKind::Capture(capture) => never_matches(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min > 0 && never_matches(&repetition.sub),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    const SOURCE: fn(&str) -> Source<'_> = |text| Source { file: Path::new("agent.toml"), text };

    #[test]
    fn a_pattern_finds_something_and_not_everything() {
        for (pattern, words) in [
            ("", "is empty"),
            (" ", "is empty"),
            (".*", "matches an empty text"),
            ("x?", "matches an empty text"),
            ("a|", "matches an empty text"),
            ("(", "unclosed group"),
            (r"(?<words>a)(?<words>b)", "duplicate"),
            (r"(?!a)b", "look-around"),
            ("(a{1000}){1000}", "larger than 1 MiB"),
            ("(((a{1000}){1000}){1000}){1000}", "larger than 1 MiB"),
            (r"[^\s\S]", "can match nothing"),
            ("a^", "can match nothing"),
            ("a(b|c)^d", "can match nothing"),
            ("$a", "can match nothing"),
            ("(a$)b|c^", "can match nothing"),
        ] {
            let begun = Instant::now();
            let error = regex(SOURCE(""), "says[0].pattern", pattern).unwrap_err();
            assert!(error.problem.contains(words), "{pattern}: {error}");
            assert!(begun.elapsed().as_secs() < 2, "{pattern}");
        }
        for sound in ["a", "^a$", "a|^b", "(?m)a$\n^b", r"\bx\b", "^a*b"] {
            assert!(regex(SOURCE(""), "log.time", sound).is_ok(), "{sound}");
        }
    }

    #[test]
    fn the_agent_is_not_postgres() {
        for wrong in [".", "postgres", "^/", r"\S+", "sh"] {
            let error = of_agent(SOURCE(""), "processes.agent", wrong).unwrap_err();
            assert!(error.problem.contains("which is not the agent"), "{wrong}: {error}");
        }
        for sound in [r"^\S*python\S* /opt/agent/bin/patroni ", "patroni", "^/usr/bin/pg_autoctl "] {
            assert!(of_agent(SOURCE(""), "processes.agent", sound).is_ok(), "{sound}");
        }
    }
}
