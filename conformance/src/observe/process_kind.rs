//! Which processes count, told by their command lines.

use pghaspec_model::event::Process;
use regex::Regex;

/// What a process is, or `None` when it is of no interest: not only other programs, but also every use of a program that touches no data,
/// such as `postgres --version`, and the servers that `initdb` runs while it makes a data directory.
///
/// `exe` is the path of the program where it is known, `argv` the command line, `agent` finds the agent in the joined command line.
pub fn classify(exe: Option<&str>, argv: &[String], agent: &Regex) -> Option<Process> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    if agent.is_match(&words.join(" ")) {
        return Some(Process::Agent);
    }
    // Of a process that is gone already only the name is left: no server, no recovery is that short.
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

fn server(arguments: &[&str]) -> Option<Process> {
    match arguments.first() {
        Some(&"--single") => {
            // initdb writes the catalogs in single-user mode; -O and -j are for that alone. What recovers names neither.
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
    fn what_is_gone_already_does_not_count() {
        let agent = Regex::new("^never").unwrap();
        assert_eq!(classify(None, &["postgres".to_owned()], &agent), None);
        assert_eq!(classify(None, &[], &agent), None);
    }
}
