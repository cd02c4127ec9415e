use super::*;
use crate::status;

fn contact(last: u8) -> report::NodeContact {
    let id = Key::from_id(&[last; 20]);
    report::NodeContact { id, address: ([127, 0, 0, last], 6881).into() }
}

#[test]
fn bytes_are_written_and_read() {
    for (bytes, text) in [(&b""[..], ""), (b"\x00\xff", "00ff"), (b"a", "61")] {
        assert_eq!(hex_bytes(bytes), text);
        assert_eq!(unhex(text).as_deref(), Some(bytes));
    }
    for wrong in ["0", "0g", "é", "000"] {
        assert_eq!(unhex(wrong), None, "{wrong}");
    }
}

#[test]
fn a_line_of_a_stream_has_a_stable_form() {
    let named = vec![(&contact(2)).into()];
    let step =
        Step::Answered { by: (&contact(1)).into(), at_ms: 2.5, rtt_ms: 1.0, named, holds: true };
    let one = "01".repeat(20);
    let two = "02".repeat(20);
    let cost = Cost { asked: 3, answered: 2, failed: 1, hops: 2, elapsed_ms: 0.5 };
    for (word, expected) in [
        (
            Word::Peers { peers: vec![contact(7).address] },
            r#"{"event":"peers","peers":["127.0.0.7:6881"]}"#.to_owned(),
        ),
        (
            Word::Step(step),
            format!(
                "{}{}{}",
                r#"{"event":"step","step":"answered","by":{"id":""#.to_owned() + &one,
                r#"","address":"127.0.0.1:6881"},"at_ms":2.5,"rtt_ms":1.0,"named":[{"id":""#
                    .to_owned()
                    + &two,
                r#"","address":"127.0.0.2:6881"}],"holds":true}"#
            ),
        ),
        (
            Word::Done(cost),
            r#"{"event":"done","asked":3,"answered":2,"failed":1,"hops":2,"elapsed_ms":0.5}"#
                .to_owned(),
        ),
    ] {
        let text = serde_json::to_string(&word).unwrap();
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word);
        assert!(text.contains(&format!(r#""event":"{}""#, word.name())));
    }
}

#[test]
fn a_status_survives_the_way() {
    let v4 = status::FamilyStatus {
        id: contact(9).id,
        external: None,
        good: 4,
        questionable: 1,
        network_size: Some(30.5),
    };
    let mut outcomes = status::Outcomes::new("get");
    outcomes.done = 2;
    outcomes.took(Duration::from_millis(7));
    outcomes.took(Duration::from_secs(99));
    assert_eq!(outcomes.by_latency.iter().sum::<u64>(), 1);
    let mainline = status::MainlineStatus {
        v4: Some(v4),
        queries: vec![status::Tally { name: "ping".into(), count: 5 }],
        outcomes: vec![outcomes],
        ..status::MainlineStatus::default()
    };
    let mut status = status::Status {
        uptime: Duration::from_millis(1234),
        listen: vec![contact(1).address],
        mainline: Some(mainline),
        ..status::Status::default()
    };
    status.dropped.malformed = 3;
    let text = serde_json::to_string(&Status::from(&status)).unwrap();
    let read: Status = serde_json::from_str(&text).unwrap();
    assert_eq!(status::Status::try_from(read).unwrap(), status);
}

#[test]
fn reports_survive_the_way() {
    let report = report::PutReport {
        key: contact(3).id,
        seq: Some(-4),
        acknowledged: vec![contact(1), contact(2)],
        refused: vec![report::Refusal {
            from: contact(5).address,
            code: 203,
            message: "bad token".into(),
        }],
        silent: 2,
        report: None,
    };
    let text = serde_json::to_string(&Stored::from(&report)).unwrap();
    let read: Stored = serde_json::from_str(&text).unwrap();
    assert_eq!(report::PutReport::try_from(&read).unwrap(), report);
    let wrong = Stored { key: "zz".into(), ..read };
    assert_eq!(report::PutReport::try_from(&wrong), Err(Misread));
}
