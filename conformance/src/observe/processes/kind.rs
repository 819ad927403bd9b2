//! The kinds of processes that count, told by their command lines.

use std::collections::BTreeSet;

use pghaspec_model::vocabulary::event::Process;
use regex::Regex;

/// The kind of a process, or `None` if it does not count: not only other programs do not, but also every use of a
/// program that touches no data, such as `postgres --version`, and the servers that `initdb` runs while it makes a data
/// directory.
///
/// `exe` is the path of the program if it is known, `argv` the command line, `agent` finds the agent in the command
/// line, joined with blanks.
pub fn classify(exe: Option<&str>, argv: &[String], agent: &Regex) -> Option<Process> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    if agent.is_match(&words.join(" ")) {
        return Some(Process::Agent);
    }
    // Without the right to look at it nothing certain is known; and a process that was gone before it could be read has
    // no command line either.
    exe?;
    let (program, arguments) = words.split_first()?;
    let only_tells = |word: &&str| matches!(*word, "--version" | "-V" | "--help" | "-?" | "--describe-config");
    if arguments.iter().any(only_tells) {
        return None;
    }
    match base(program) {
        "postgres" | "postmaster" => server(arguments),
        "pg_rewind" => Some(Process::PgRewind),
        "pg_basebackup" => Some(Process::PgBasebackup),
        _ => None,
    }
}

/// Says whether a process of which only the name is left may have been one that counts. `agent_names` are the names
/// ([`agent_names`]) of all agents seen so far; before the first, any name may be the agent's.
pub fn may_count(comm: Option<&str>, agent_names: &BTreeSet<String>) -> bool {
    match comm {
        None | Some("postgres" | "postmaster" | "pg_rewind" | "pg_basebackup") => true,
        Some(comm) => agent_names.is_empty() || agent_names.contains(comm),
    }
}

/// Names that the kernel may give to another process of an agent that was seen: a program's file name, or that of the
/// script that an interpreter runs, whichever was executed.
pub fn agent_names(exe: Option<&str>, argv: &[String]) -> BTreeSet<String> {
    exe.into_iter().chain(argv.iter().take(2).map(String::as_str)).map(|path| short(base(path))).collect()
}

/// The part of a name that the kernel keeps: 15 bytes.
fn short(name: &str) -> String {
    String::from_utf8_lossy(&name.as_bytes()[..name.len().min(15)]).into_owned()
}

fn server(arguments: &[&str]) -> Option<Process> {
    match arguments.first() {
        Some(&"--single") => {
            // initdb writes the catalogs in single-user mode; -O and -j are for that alone. A recovery names neither.
            let by_initdb = ["-O", "-j"].iter().all(|flag| arguments.contains(flag));
            (!by_initdb).then_some(Process::SingleUser)
        }
        // initdb's bootstrap, and the children of a server that was built with EXEC_BACKEND.
        Some(word) if matches!(*word, "--boot" | "--check") || word.starts_with("--fork") => None,
        // Prints a setting and ends.
        _ if arguments.contains(&"-C") => None,
        _ => Some(Process::Postmaster),
    }
}

/// File name of a program's path.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: &str) -> Option<Process> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let agent = Regex::new(r"^\S*python\S* /opt/agent/bin/patroni ").unwrap();
        classify(Some("/some/exe"), &argv, &agent)
    }

    #[test]
    fn servers_and_tools_are_told_apart() {
        let server = "/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/data --port=5432";
        assert_eq!(kind(server), Some(Process::Postmaster));
        assert_eq!(kind("postgres"), Some(Process::Postmaster));
        assert_eq!(kind("/bin/postgres --single -D /data -c archive_mode=on template1"), Some(Process::SingleUser));
        assert_eq!(kind("postgres --single -F -D /data template1"), Some(Process::SingleUser));
        assert_eq!(kind("pg_rewind -D /data --source-server=x"), Some(Process::PgRewind));
        assert_eq!(kind("pg_basebackup --pgdata=/data -X stream"), Some(Process::PgBasebackup));
        assert_eq!(kind("/opt/agent/bin/python3 /opt/agent/bin/patroni /etc/patroni.yml"), Some(Process::Agent));
    }

    #[test]
    fn what_touches_no_data_does_not_count() {
        for line in [
            "postgres --version",
            "postgres -V",
            "postgres --describe-config",
            "postgres -D /data -C wal_segment_size",
            "pg_rewind --help",
            "pg_basebackup --version",
            "initdb -D /data",
            "pg_ctl start",
            "setpriv --reuid=postgres -- /opt/agent/bin/patroni /etc/patroni.yml",
        ] {
            assert_eq!(kind(line), None, "{line}");
        }
    }

    #[test]
    fn what_initdb_runs_does_not_count() {
        for line in [
            "/bin/postgres --check -F -c log_checkpoints=false -c max_connections=100",
            "/bin/postgres --boot -F -c log_checkpoints=false -X 16777216",
            "/bin/postgres --single -F -O -j -c search_path=pg_catalog -c exit_on_error=true template1",
        ] {
            assert_eq!(kind(line), None, "{line}");
        }
    }

    #[test]
    fn only_some_names_may_be_of_what_counts() {
        let argv = ["/opt/agent/bin/python3", "/opt/agent/bin/a_very_long_agent", "/etc/x.yml"].map(str::to_owned);
        let agents = agent_names(Some("/usr/bin/python3.13"), &argv);
        assert_eq!(agents.iter().map(String::as_str).collect::<Vec<_>>(), ["a_very_long_age", "python3", "python3.13"]);
        for comm in ["postgres", "pg_rewind", "pg_basebackup", "python3", "a_very_long_age"] {
            assert!(may_count(Some(comm), &agents), "{comm}");
        }
        for comm in ["pg_controldata", "sh", "x.yml", "postgres_export"] {
            assert!(!may_count(Some(comm), &agents), "{comm}");
        }
        assert!(may_count(None, &agents));
        assert!(may_count(Some("who_knows"), &BTreeSet::new()));
    }

    #[test]
    fn what_is_gone_already_does_not_count() {
        let agent = Regex::new("^never").unwrap();
        assert_eq!(classify(None, &["postgres".to_owned()], &agent), None);
        assert_eq!(classify(None, &[], &agent), None);
    }
}
