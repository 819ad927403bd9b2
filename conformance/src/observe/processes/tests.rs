//! The helper's reports that are recorded, and those that are not.

use pghaspec_model::vocabulary::event::Event;

use super::*;
use crate::observe::clock::RunClock;

const EXEC: &str = concat!(
    r#"{"kind":"exec","at":[5,5],"pid":70,"nspid":9,"pidns":111,"#,
    r#""exe":"/bin/postgres","argv":["postgres","-D","/data"]}"#
);
const EXIT: &str = r#"{"kind":"exit","at":[9,9],"pid":70,"nspid":9,"pidns":111,"code":null,"signal":9}"#;

fn report(line: &str) -> Input {
    Input::Report(serde_json::from_str(line).unwrap())
}

fn processes(folder: &std::path::Path) -> Processes {
    let nodes = ["n1".to_owned()];
    let recorder = Recorder::create(&folder.join("events.jsonl"), RunClock::start(), &nodes).unwrap();
    Processes::new(recorder, Regex::new("^never").unwrap())
}

#[test]
fn what_came_before_its_namespace_was_known_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(report(EXEC));
    assert!(processes.recorder.view().borrow().nodes["n1"].processes.is_empty());
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    assert_eq!(processes.recorder.view().borrow().nodes["n1"].processes[&70], Process::Postmaster);
    processes.take(report(EXIT));
    assert_eq!(processes.recorder.view().borrow().nodes["n1"].exits, [(Process::Postmaster, 70, Some(9))]);
}

#[test]
fn what_had_the_number_of_a_namespace_before_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(report(EXEC));
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 1 });
    assert!(processes.recorder.view().borrow().nodes["n1"].processes.is_empty());
    processes.take(report(EXIT));
    assert!(processes.recorder.view().borrow().nodes["n1"].exits.is_empty());
}

#[test]
fn only_a_helper_that_was_silent_by_its_own_clock_leaves_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    let clock = processes.recorder.clock();
    // The host's clock when the run began.
    let begun = (1 << 62) - clock.of_monotonic(1 << 62);
    let seconds =
        |seconds: u64| format!(r#"{{"kind":"alive","unread":0,"monotonic_ns":{}}}"#, begun + seconds * 1_000_000_000);
    let gaps = |processes: &Processes| {
        let is_gap = |event: &&Event| matches!(event.kind, Kind::Gap { of: Source::Process, .. });
        processes.recorder.view().borrow().events.iter().filter(is_gap).count()
    };
    for second in 1..10 {
        processes.take(report(&seconds(second)));
    }
    assert_eq!(gaps(&processes), 0);
    processes.take(report(&seconds(15)));
    assert_eq!(gaps(&processes), 1);
}

#[test]
fn other_namespaces_are_no_business_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(report(EXEC));
    processes.take(Input::AllKnown);
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    assert!(processes.recorder.view().borrow().nodes["n1"].processes.is_empty());
}

#[test]
fn the_namespace_of_a_dead_node_may_become_anybodys() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    processes.take(report(EXEC));
    processes.take(Input::AllKnown);
    processes.take(Input::Dead { node: "n1".to_owned() });
    processes.take(report(EXIT));
    processes.take(report(&EXEC.replace("70", "80")));
    processes.take(Input::Expected);
    processes.take(report(&EXEC.replace("111", "222").replace("70", "90")));
    processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned(), since: 0 });
    let seen = processes.recorder.view().borrow().nodes["n1"].clone();
    assert_eq!(seen.exits, [(Process::Postmaster, 70, Some(9))]);
    assert_eq!(seen.processes.keys().copied().collect::<Vec<_>>(), [90]);
    // The number may be the node's own again.
    processes.take(Input::Dead { node: "n1".to_owned() });
    processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned(), since: 0 });
    processes.take(report(&EXEC.replace("111", "222").replace("70", "91")));
    assert!(processes.recorder.view().borrow().nodes["n1"].processes.contains_key(&91));
}

#[test]
fn a_node_that_is_started_again_is_known_by_its_new_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    processes.take(Input::AllKnown);
    processes.take(Input::Expected);
    processes.take(report(&EXEC.replace("111", "222").replace("70", "80")));
    processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned(), since: 0 });
    processes.take(Input::AllKnown);
    processes.take(report(EXEC));
    let found = processes.recorder.view().borrow().nodes["n1"].processes.clone();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [80]);
}

/// Waits are recorded of a process whose start was recorded, and of no other.
#[test]
fn who_waits_for_a_cpu_is_recorded_if_its_start_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    // Far in the future: what was waited before the run is no wait of the run.
    let at = 9_000_000_000_000_000_000_u64;
    let starved = |pid: u32, pidns: &str, at: [u64; 2]| {
        let [from, to] = at;
        format!(r#"{{"kind":"starved","at":[{from},{to}],"pid":{pid},"pidns":{pidns},"waited_ns":600000000}}"#)
    };
    let late = [at, at + 1_000_000_000];
    processes.take(report(EXEC));
    // Whose namespace this is will be known in a moment.
    processes.take(report(&starved(70, "111", late)));
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    processes.take(report(&starved(70, "111", late)));
    processes.take(report(&starved(71, "111", late)));
    processes.take(report(&starved(70, "111", [1, 600_000_001])));
    processes.take(Input::AllKnown);
    processes.take(report(&starved(70, "112", late)));
    processes.take(report(&starved(70, "null", late)));
    processes.take(report(EXIT));
    processes.take(report(&starved(70, "111", late)));
    let seen = processes.recorder.view().borrow().events.clone();
    let waits: Vec<&Event> = seen.iter().filter(|event| matches!(event.kind, Kind::Starved { .. })).collect();
    assert_eq!(waits.len(), 2, "{waits:#?}");
    for event in waits {
        let expected = Kind::Starved { what: Process::Postmaster, pid: 70, waited_ns: 600_000_000 };
        assert_eq!((event.node.as_deref(), event.source, &event.kind), (Some("n1"), Source::Process, &expected));
        assert_eq!(event.at[1] - event.at[0], 1_000_000_000);
    }
}

#[test]
fn that_the_disk_does_not_answer_is_recorded_since_the_run_began() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    let late = 9_000_000_000_000_000_000_u64;
    let stalled = |from: u64, to: u64| format!(r#"{{"kind":"stalled","at":[{from},{to}]}}"#);
    processes.take(report(&stalled(1, 2)));
    processes.take(report(&stalled(1, late)));
    processes.take(report(&stalled(late, late + 1_000_000_000)));
    let since = processes.since;
    let seen = processes.recorder.view().borrow().events.clone();
    let waits: Vec<&Event> = seen.iter().filter(|event| event.kind == Kind::DiskStalled).collect();
    let [first, second] = waits[..] else { panic!("{seen:#?}") };
    assert_eq!((first.at[0], first.node.as_deref(), first.source), (since, None, Source::Process));
    assert_eq!(second.at[1] - second.at[0], 1_000_000_000);
    assert_eq!(second.at[0], first.at[1]);
}

#[test]
fn deaths_of_children_and_for_want_of_memory_are_recorded_of_the_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.take(report(EXEC));
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    processes.take(Input::AllKnown);
    let killed =
        |parent: u32| format!(r#"{{"kind":"killed","at":[7,7],"pid":71,"parent":{parent},"pidns":111,"signal":9}}"#);
    // Of the postmaster; of a process that does not count.
    processes.take(report(&killed(70)));
    processes.take(report(&killed(4)));
    processes.take(report(r#"{"kind":"oom","at":[6,8],"pidns":111,"kills":2}"#));
    processes.take(report(r#"{"kind":"oom","at":[6,8],"pidns":112,"kills":2}"#));
    let seen = processes.recorder.view().borrow().events.clone();
    let kinds: Vec<&Kind> = seen.iter().skip(1).map(|event| &event.kind).collect();
    let child = Kind::ChildKilled { postmaster: 70, pid: 71, signal: 9 };
    assert_eq!(kinds, [&child, &Kind::OutOfMemory { kills: 2 }]);
    assert!(seen.iter().all(|event| event.node.as_deref() == Some("n1") && event.source == Source::Process));
}

#[test]
fn a_disk_without_room_is_recorded_since_the_run_began() {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    let late = 9_000_000_000_000_000_000_u64;
    for [from, to] in [[1, 2], [1, late]] {
        processes.take(report(&format!(r#"{{"kind":"full","at":[{from},{to}]}}"#)));
    }
    let seen = processes.recorder.view().borrow().events.clone();
    let [full] = &seen[..] else { panic!("{seen:#?}") };
    assert_eq!((&full.kind, full.node.as_deref(), full.at[0]), (&Kind::NoSpace, None, processes.since));
}

/// The gaps (node, why) that are recorded for unread processes of namespace 111, which is node n1's.
fn gaps(unread: &[String]) -> Vec<(Option<String>, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut processes = processes(folder.path());
    processes.agent = Regex::new("^python3 /opt/agent/bin/patroni ").unwrap();
    processes.take(report(concat!(
        r#"{"kind":"exec","at":[5,5],"pid":60,"nspid":8,"pidns":111,"#,
        r#""exe":"/usr/bin/python3.13","argv":["python3","/opt/agent/bin/patroni","x"]}"#
    )));
    for line in unread {
        processes.take(report(line));
    }
    processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned(), since: 0 });
    processes.take(Input::AllKnown);
    for line in unread {
        processes.take(report(line));
    }
    let text = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Event>(line).unwrap())
        .filter_map(|event| match event.kind {
            Kind::Gap { of: Source::Process, why, .. } => Some((event.node, why)),
            _ => None,
        })
        .collect()
}

fn unread(pidns: &str, comm: &str, lived_ns: u64) -> String {
    let process = format!(r#""pid":70,"parent":60,"pidns":{pidns},"comm":{comm},"lived_ns":{lived_ns}"#);
    format!(r#"{{"kind":"unread","at":[7,7],"exit_at":[9,9],{process},"code":1,"signal":null}}"#)
}

#[test]
fn an_unread_process_is_a_gap_of_its_node_if_it_may_count() {
    for comm in
        [r#""postgres""#, r#""pg_rewind""#, r#""pg_basebackup""#, r#""python3""#, r#""python3.13""#, r#""patroni""#]
    {
        let found = gaps(&[unread("111", comm, 4_000_000)]);
        assert_eq!(found.len(), 2, "{comm}: once of what was kept, once at once");
        assert_eq!(found[0].0.as_deref(), Some("n1"));
        let name = comm.trim_matches('"');
        assert_eq!(
            found[0].1,
            format!("`{name}` (pid 70) was gone before it could be read: it lived 4.0 ms, exit code 1")
        );
    }
    assert!(gaps(&[unread("111", "null", 5_000_000)])[0].1.starts_with("a process of unknown name (pid 70) was gone"));
}

#[test]
fn an_unread_process_of_another_lane_is_no_gap() {
    assert_eq!(gaps(&[unread("112", r#""postgres""#, 90_000_000)]), []);
    // Whose it was cannot be told.
    assert_eq!(gaps(&[unread("null", r#""postgres""#, 90_000_000)])[0].0, None);
}

#[test]
fn an_unread_process_that_does_nothing_that_counts_is_no_gap() {
    assert_eq!(gaps(&[unread("111", r#""pg_controldata""#, 90_000_000), unread("111", r#""sh""#, 90_000_000)]), []);
    assert_eq!(gaps(&[unread("111", r#""postgres""#, 3_999_999), unread("111", "null", 3_999_999)]), []);
    // One that was only asked for its options; but not one that failed, nor another program.
    let succeeded = |comm, lived| unread("111", comm, lived).replace(r#""code":1"#, r#""code":0"#);
    assert_eq!(gaps(&[succeeded(r#""pg_rewind""#, 13_999_999)]), []);
    assert_eq!(gaps(&[succeeded(r#""pg_rewind""#, 14_000_000)]).len(), 2);
    assert_eq!(gaps(&[succeeded(r#""postgres""#, 13_999_999)]).len(), 2);
    assert_eq!(gaps(&[unread("111", r#""pg_rewind""#, 13_999_999)]).len(), 2);
}

/// A node that starts too many processes to be told of is not seen well; the others are.
#[test]
fn processes_that_were_too_many_to_be_reported_are_a_gap_of_their_node() {
    let late = 9_000_000_000_000_000_000_u64;
    let gap = |pidns: u64| format!(r#"{{"kind":"gap","at":[{late},{late}],"pidns":{pidns},"why":"too many"}}"#);
    let found = gaps(&[gap(111), gap(112)]);
    // Once of what was kept, once at once; and none of another lane's node.
    assert_eq!(found, vec![(Some("n1".to_owned()), "too many".to_owned()); 2]);
}

/// Its waits for a CPU do not count, where they are known.
#[test]
fn an_unread_postgres_that_succeeded_and_hardly_ran_is_no_gap() {
    let ran = |comm, code: i32, ran_ns: &str| {
        let line = unread("111", comm, 90_000_000).replace(r#""code":1"#, &format!(r#""code":{code}"#));
        gaps(&[line.replace(r#""code""#, &format!(r#""ran_ns":{ran_ns},"code""#))])
    };
    let postgres = r#""postgres""#;
    assert_eq!(ran(postgres, 0, "19999999"), []);
    let (_, why) = ran(postgres, 0, "20000000").remove(0);
    assert!(why.ends_with("it lived 90.0 ms and ran for 20.0 ms, exit code 0"), "{why}");
    assert_eq!(ran(postgres, 0, "null").len(), 2);
    assert_eq!(ran(postgres, 1, "19999999").len(), 2);
    // Nor did a pg_rewind write anything.
    assert_eq!(ran(r#""pg_rewind""#, 0, "39999999"), []);
    assert_eq!(ran(r#""pg_rewind""#, 0, "40000000").len(), 2);
    assert_eq!(ran(r#""pg_rewind""#, 1, "1000000").len(), 2);
    assert_eq!(ran(r#""pg_basebackup""#, 0, "1000000").len(), 2);
    assert_eq!(ran("null", 0, "1000000").len(), 2);
}

#[test]
fn lost_events_are_a_gap_of_all_nodes_and_a_count_of_unread_processes_is_none() {
    // Far in the future: what happened before the run is none of its gaps.
    let lost = r#"{"kind":"gap","at":[9000000000000000000,9000000000000000000],"why":"cpu 1: 3 events lost"}"#;
    let found =
        gaps(&[lost.to_owned(), r#"{"kind":"alive","unread":9000,"names_lost":2,"monotonic_ns":1}"#.to_owned()]);
    assert_eq!(found, [(None, "cpu 1: 3 events lost".to_owned()), (None, "cpu 1: 3 events lost".to_owned())]);
}

#[test]
fn all_lines_of_the_helper_are_understood() {
    for line in [
        concat!(
            r#"{"kind":"ready","mechanism":"proc-connector","clock":"monotonic","names_of_exited":null,"#,
            r#""names_why":"?","monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#
        ),
        r#"{"kind":"alive","unread":0,"names_lost":null,"monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#,
        r#"{"kind":"gap","at":[1,2],"why":"lost"}"#,
        r#"{"kind":"starved","at":[1,600000001],"pid":70,"pidns":111,"waited_ns":600000000}"#,
    ] {
        serde_json::from_str::<Report>(line).unwrap();
    }
}
