//! The words of containers: the reports on processes, the lines of agents' logs, and what released code was asked.

use std::path::Path;

use pghaspec::manifest::Manifest;
use pghaspec::observe::agent_log::AgentLog;
use pghaspec::observe::clock::{RunClock, realtime_of};
use pghaspec::observe::container_log::{Line, Lines};
use pghaspec::observe::processes::report::Report;
use pghaspec::observe::processes::{Input, Processes};
use pghaspec::observe::recorder::Recorder;
use pghaspec::patroni_oracle::record::{Function, Run};
use regex::Regex;

use super::Target;

/// A recorder of a run with two nodes. Nobody reads what it records.
fn recorder() -> Recorder {
    Recorder::create(Path::new("/dev/null"), RunClock::start(), &["n1".to_owned(), "n2".to_owned()]).unwrap()
}

/// Reports on processes, a line each; of two nodes, one of which dies.
pub const REPORTS: Target = Target {
    name: "reports",
    run: reports,
    seeds: || {
        let text = concat!(
            r#"{"kind":"ready","mechanism":"proc-connector"}"#,
            "\n",
            r#"{"kind":"exec","at":[5,5],"pid":70,"pidns":1,"#,
            r#""exe":"/bin/postgres","argv":["postgres","-D","/d"]}"#,
            "\n",
            r#"{"kind":"exec","at":[6,7],"pid":71,"pidns":2,"exe":"/usr/bin/python3","argv":["python3","agent"]}"#,
            "\n",
            r#"{"kind":"starved","at":[6,900000000],"pid":70,"pidns":1,"waited_ns":600000000}"#,
            "\n",
            r#"{"kind":"exit","at":[9,9],"pid":70,"pidns":1,"code":null,"signal":9,"control":null}"#,
            "\n",
            r#"{"kind":"unread","at":[1,2],"exit_at":[3,4],"pid":72,"pidns":1,"comm":"postgres","#,
            r#""lived_ns":3,"ran_ns":2,"#,
            r#""code":0,"signal":null}"#,
            "\n",
            r#"{"kind":"stalled","at":[1,2000000000]}"#,
            "\n",
            r#"{"kind":"gap","at":[1,2],"why":"the socket ran over"}"#,
            "\n",
            r#"{"kind":"trap","id":"t","change":"struck","at":[1,2],"pid":5,"state":"T"}"#,
            "\n",
            r#"{"kind":"alive","monotonic_ns":5000000000}"#,
            "\n",
        );
        vec![text.into()]
    },
    words: &[
        "\"at\":[",
        "\"pidns\":1",
        "\"pid\":70",
        "null",
        "\"kind\":\"exec\"",
        "\"kind\":\"exit\"",
        "\"postgres\"",
        "--single",
    ],
    repair: None,
};

fn reports(input: &[u8]) -> String {
    let recorder = recorder();
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    let text = String::from_utf8_lossy(input);
    let mut kinds = String::new();
    let _ = send.send(Input::Namespace { pidns: 1, node: "n1".to_owned(), since: 0 });
    for (index, line) in text.lines().enumerate() {
        match serde_json::from_str::<Report>(line) {
            Ok(report) => {
                kinds += &format!("{:?}", report.place().is_some());
                let _ = send.send(Input::Report(report));
            }
            Err(error) => kinds += &error.to_string(),
        }
        let _ = match index {
            3 => send.send(Input::Namespace { pidns: 2, node: "n2".to_owned(), since: 1 }),
            5 => send.send(Input::Dead { node: "n1".to_owned() }),
            7 => send.send(Input::AllKnown),
            _ => Ok(()),
        };
    }
    drop(send);
    let processes = Processes::new(recorder.clone(), Regex::new("^python3 agent").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(processes.run(receive));
    format!(
        "{kinds} {:?}",
        recorder.view().borrow().nodes.values().map(|node| node.processes.len()).collect::<Vec<_>>()
    )
}

/// An agent's log, in pieces as it comes, read by the patterns of a manifest.
pub const MESSAGES: Target = Target {
    name: "messages",
    run: messages,
    seeds: || {
        let text = "2026-11-22T12:02:21.828Z INFO: starting primary after failure\n\
                    2026-11-22T12:02:22.000Z INFO: running pg_rewind from n2\n\
                    2026-11-22 12:02:22,000 ERROR: promoted self to leader by acquiring session lock\n\
                    2554-07-21T23:34:33.709551615Z INFO: Leader key released\nno time at all\n";
        vec![text.into()]
    },
    words: &[
        "2554-07-21T23:34:33.709Z",
        "1970-01-01T00:00:00.000Z",
        "INFO: ",
        "starting as a secondary",
        "\n",
        "9999-12-31T",
    ],
    repair: None,
};

fn messages(input: &[u8]) -> String {
    thread_local! {
        static PATRONI: Manifest = Manifest::load("patroni").unwrap();
    }
    let recorder = recorder();
    let mut agent = PATRONI.with(|manifest| AgentLog::new(recorder.clone(), manifest.clone(), "n1"));
    let mut lines = Lines::default();
    let mut said = String::new();
    for piece in input.chunks(50) {
        for text in lines.push(piece) {
            said += if realtime_of(&text).is_some() { "t" } else { "-" };
            let now = recorder.clock().now();
            let line = Line { text, received: [now.saturating_sub(1000), now] };
            agent.take(&line);
        }
    }
    let view = recorder.view();
    let view = view.borrow();
    for event in &view.events {
        assert!(event.at[0] <= event.at[1], "{event:?}");
    }
    format!("{} {:?}", said.chars().take(20).collect::<String>(), view.events.len())
}

/// A run of a released function, after its name.
pub const ORACLE: Target = Target {
    name: "oracle",
    run: |input| {
        let text = String::from_utf8_lossy(input);
        let (function, line) = text.split_once('\n').unwrap_or(("", &text));
        let function = Function::from_id(function).unwrap_or(Function::Recover);
        match Run::parse(function, line) {
            Ok(run) => format!("{} {:?}", run.answers().len().min(3), run.ended),
            Err(problem) => problem,
        }
    },
    seeds: || {
        let run = r#"["recover",[["pg-is-running","no"],["x","y","ha.py:1"]],{"kind":"says","text":"a"},
            {"tasks":[],"timed":[],"torn":false},[0,1]]"#;
        vec![format!("recover\n{}", run.replace('\n', "")).into()]
    },
    words: &[
        "recover\n",
        "update-lock\n",
        "[",
        "]",
        "{",
        "}",
        "\"tasks\"",
        "\"torn\"",
        "null",
        "true",
        "\"yes\"",
        "\"no\"",
    ],
    repair: None,
};
