use crate::poly;
use crate::poly::value::SigningKey;

use super::*;

fn peer(last: u8) -> Peer {
    Peer::new(Key::new([last; 32]), ([127, 0, 0, last], 7654).into())
}

/// There and back through text.
fn travelled<T: Serialize + serde::de::DeserializeOwned>(object: &T) -> T {
    serde_json::from_str(&serde_json::to_string(object).unwrap()).unwrap()
}

#[test]
fn every_reason_survives_the_way() {
    use poly::Refusal as R;
    for refusal in [
        R::Malformed,
        R::Unknown,
        R::Busy,
        R::TooLong(65_536),
        R::Expired(1_700_000_000),
        R::LivesTooLong(7),
        R::BadSignature,
        R::Older(9),
        R::Swapped(0),
        R::Quota(1 << 40),
        R::Full,
        R::NotMine,
        R::TooManyWatchers,
        R::Storage,
    ] {
        let reason = travelled(&Reason::from(refusal));
        assert!(!reason.reason.is_empty());
        assert_eq!(poly::Refusal::try_from(&reason), Ok(refusal));
    }
}

#[test]
fn reports_survive_the_way() {
    let stored = poly::Stored {
        key: Key::new([3; 32]),
        acknowledgements: poly::Acknowledgements {
            stored: vec![peer(1), peer(2)],
            refused: vec![(peer(4), poly::Refusal::Quota(1000))],
            unanswered: 2,
            region: 20,
            quorum: 8,
        },
        report: poly::Report {
            asked: 9,
            answered: 8,
            failed: 1,
            hops: 2,
            elapsed: Duration::from_micros(1_234_567),
        },
    };
    let read = travelled(&Stored::new(&stored, Some(7)));
    assert_eq!(read.seq, Some(7));
    assert_eq!(poly::Stored::try_from(read), Ok(stored));
}

#[test]
fn signed_values_survive_the_way() {
    let key = SigningKey::from_bytes(&[5; 32]);
    for value in [None, Some(&b"\xff\x00"[..]), Some(b"text")] {
        let record = value::Record::sign(&key, b"salt", u64::MAX, 1_800_000_000, value);
        let object = travelled(&Record::from(&record));
        assert_eq!(object.text.as_deref(), value.and_then(|v| core::str::from_utf8(v).ok()));
        assert_eq!(value::Record::try_from(&object), Ok(record));
        let topic = value::topic_key(b"chess");
        let entry = value::Entry::sign(&key, topic, 65_535, 3, 1_800_000_000, value);
        assert_eq!(value::Entry::try_from(&travelled(&Entry::from(&entry))), Ok(entry));
    }
}
