//! The page on the command line, generated from the program's own description of it.

use clap::{Arg, Command};

use super::assert_generated;

const HEAD: &str = "\
# The command line

Generated from the program: `UPDATE_EXPECT=1 cargo test -p pghaspec --test docs` writes this page anew.

";

const EXIT_CODES: &str = "\
| exit code | meaning |
| --- | --- |
| 0 | conforms, or as expected |
| 1 | a violation was found |
| 2 | bad usage or input |
| 3 | the environment lacks something |
| 4 | inconclusive, or the harness failed |

With `--json`, standard output carries one JSON document and nothing else. What each command means by these codes is in
[verdicts.md](verdicts.md).

| environment variable | meaning |
| --- | --- |
| `DOCKER_HOST` | another Docker Engine than the local one, for `certify`, `defects` and `doctor` |
| `PGHASPEC_FIXTURES` | another folder of scenarios, agents and images than the program's own |
| `PGHASPEC_KEY_PASSWORD` | the password of the secret key of `sign` |
| `PGHASPEC_CACHE` | folder into which `diff` installs releases, instead of `~/.cache/pghaspec` |
| `PGHASPEC_PYTHON` | the Python that `diff` runs released code with, instead of `python3` |
| `XDG_CACHE_HOME` | the folder of caches, in which the program unpacks its own fixtures, instead of `~/.cache` |
";

#[test]
fn the_page_on_the_command_line_is_up_to_date() {
    assert_generated("conformance/docs/cli.md", &page(pghaspec::cli::command()));
}

fn page(mut command: Command) -> String {
    command.build();
    let mut text = HEAD.to_owned();
    text += "| command | what it does |\n| --- | --- |\n";
    let of = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    let shown: Vec<Command> = command.get_subcommands().filter(|it| it.get_name() != "help").cloned().collect();
    for one in &shown {
        text += &format!("| [`{0}`](#{0}) | {1} |\n", one.get_name(), cell(&of(one)));
    }
    text += "\n";
    text += EXIT_CODES;
    for one in shown {
        text += &section(one);
    }
    text
}

fn section(mut command: Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let end = if about.ends_with('.') { "" } else { "." };
    let about = wrapped(&format!("{about}{end}"));
    let mut text = format!("\n## {}\n\n{about}\n\n```text\n{usage}\n```\n\n", command.get_name());
    text += "| argument or option | meaning |\n| --- | --- |\n";
    let is_shown = |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    for arg in command.get_arguments().filter(is_shown) {
        text += &format!("| `{}` | {} |\n", name(arg), meaning(arg));
    }
    text
}

/// As it is typed: `--jobs <JOBS>`, `<PATHS>…`.
fn name(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let value = value.replace('|', "\\|");
    match (arg.get_long(), takes) {
        (Some(long), true) => format!("--{long} <{value}>"),
        (Some(long), false) => format!("--{long}"),
        (None, _) if arg.get_num_args().is_some_and(|count| count.max_values() > 1) => format!("<{value}>…"),
        (None, _) => format!("<{value}>"),
    }
}

/// Its help, default, and the values that it may have.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = cell(&help);
    if !arg.get_action().takes_values() {
        return text;
    }
    let values = arg.get_possible_values();
    let described = values.iter().any(|value| value.get_help().is_some());
    if described {
        let each = values.iter().map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), cell(&help.to_string()).trim_end_matches('.')),
            None => format!("`{}`", value.get_name()),
        });
        text += &format!(" One of: {}.", each.collect::<Vec<_>>().join(", "));
    } else if !values.is_empty() {
        let each: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        text += &format!(" One of: {}.", each.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() {
        text += &format!(" Default: `{}`.", defaults.join(" "));
    }
    text
}

/// In one line, with nothing in it that ends a cell; a sentence ends with a full stop.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    if line.is_empty() || line.ends_with(['.', '`']) { line } else { format!("{line}.") }
}

/// Paragraphs of at most 120 columns.
fn wrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let line = lines.last_mut().expect("there is a line");
            if line.chars().count() + 1 + word.chars().count() > 120 {
                lines.push(word.to_owned());
            } else {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
        }
        lines.join("\n")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
