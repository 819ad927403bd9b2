//! Lines of a history: the fast reader and the derived one give the same event, or refuse the same line.

use pghaspec::history::line::read;
use pghaspec_model::belief::Choices;
use pghaspec_model::vocabulary::event::{Event, FORMAT};
use serde_json::Value;

use crate::recorded::traces;

/// Every line of every recorded history.
fn lines() -> Vec<Vec<u8>> {
    let folders = std::fs::read_dir(traces()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let histories = files.filter(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
    let texts = histories.map(|file| std::fs::read(file).unwrap());
    let lines = texts.flat_map(|text| text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Without haste: any JSON, then an event, then whether each field was one of the event's.
fn by_the_book(line: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let fields = value.as_object()?;
    let event: Event = serde_json::from_value(value.clone()).ok()?;
    let read = serde_json::to_value(&event).ok()?;
    let foreign = fields.iter().any(|(name, value)| !value.is_null() && read.get(name).is_none());
    let newer = event.v < 2 && value.get("control").is_some_and(|control| !control.is_null());
    let newer = newer || event.v < 3 && value["kind"] == "starved" || event.v < 4 && value["kind"] == "disk-stalled";
    let of_deaths = ["child-killed", "out-of-memory", "node-ended", "no-space"];
    let newer = newer || event.v < 6 && of_deaths.iter().any(|kind| value["kind"] == *kind);
    ((1..=FORMAT).contains(&event.v) && !foreign && !newer).then_some(event)
}

fn assert_agree(line: &[u8]) -> bool {
    let read = read(line).ok();
    assert_eq!(read, by_the_book(line), "{}", String::from_utf8_lossy(line));
    read.is_some()
}

#[test]
fn recorded_lines_are_read() {
    let all = lines();
    assert!(all.len() > 500, "{}", all.len());
    for line in all {
        assert!(assert_agree(&line));
    }
    for rest in [
        r#""source":"watchdog","kind":"watchdog","change":"armed","timeout_s":5}"#,
        r#""source":"watchdog","kind":"watchdog","change":"fired"}"#,
        r#""source":"harness","kind":"disturbance","disturbance":"agent-reloaded","effect":"yes"}"#,
        r#""source":"harness","kind":"gap","of":"etcd","why":"cut"}"#,
        r#""source":"writer","kind":"batch","rows":[1,2],"result":"ok"}"#,
    ] {
        let line = format!(r#"{{"v":1,"seq":1,"at":[1,2],"node":"n1",{rest}"#);
        let known = assert_agree(line.as_bytes());
        assert!(known || line.contains("disturbance"), "{line}");
    }
    for rest in [
        r#""source":"process","kind":"child-killed","postmaster":7,"pid":8,"signal":9}"#,
        r#""source":"process","kind":"out-of-memory","kills":1}"#,
        r#""source":"harness","kind":"node-ended","code":null,"out_of_memory":false}"#,
        r#""source":"process","kind":"no-space"}"#,
    ] {
        let line = |format: u32| format!(r#"{{"v":{format},"seq":1,"at":[1,2],"node":"n1",{rest}"#);
        assert_eq!([5, 6].map(|format| assert_agree(line(format).as_bytes())), [false, true], "{rest}");
    }
    let starved = |format: u32| {
        let rest = r#""source":"process","kind":"starved","what":"agent","pid":7,"waited_ns":1}"#;
        format!(r#"{{"v":{format},"seq":1,"at":[1,2],"node":"n1",{rest}"#)
    };
    assert_eq!([1, 2, 3].map(|format| assert_agree(starved(format).as_bytes())), [false, false, true]);
    let stalled =
        |format: u32| format!(r#"{{"v":{format},"seq":1,"at":[1,2],"source":"process","kind":"disk-stalled"}}"#);
    assert_eq!([3, 4].map(|format| assert_agree(stalled(format).as_bytes())), [false, true]);
    // A word of the other kind that has this field.
    let key = concat!(
        r#"{"v":1,"seq":1,"at":[1,2],"source":"etcd","kind":"leader-key","#,
        r#""change":"armed","holder":"n1","revision":1,"lease":1}"#
    );
    assert!(!assert_agree(key.as_bytes()));
    // The derived readers of structs take a list of values for an object.
    assert!(!assert_agree(br#"[1,0,[0,0],null,"harness","phase","ready"]"#));
}

/// Lines with a byte changed, dropped or doubled, with a field of another line, and with a value that is null.
#[test]
fn damaged_lines_are_read_or_refused_as_by_the_book() {
    let all = lines();
    let mut choices = Choices::new(1);
    let mut read = 0;
    for _ in 0..40_000 {
        let mut line = all[choices.below(all.len() as u64) as usize].clone();
        let place = choices.below(line.len() as u64) as usize;
        match choices.below(5) {
            0 => line[place] = b"0123456789-+.eE\"{}[]:,nul tfa"[choices.below(29) as usize],
            1 => drop(line.remove(place)),
            2 => line.insert(place, line[place]),
            3 => {
                let other = &all[choices.below(all.len() as u64) as usize];
                let fields: Vec<&[u8]> = other[1..other.len() - 1].split(|&byte| byte == b',').collect();
                let field = fields[choices.below(fields.len() as u64) as usize];
                line.splice(1..1, [field, b","].concat());
            }
            _ => {
                let text = String::from_utf8(line).unwrap();
                let values: Vec<&str> =
                    text.split(':').skip(1).filter_map(|part| part.split([',', '}']).next()).collect();
                let value = values[choices.below(values.len() as u64) as usize];
                line = text.replacen(&format!(":{value}"), ":null", 1).into_bytes();
            }
        }
        read += u32::from(assert_agree(&line));
    }
    assert!(read > 1000, "{read}");
}
