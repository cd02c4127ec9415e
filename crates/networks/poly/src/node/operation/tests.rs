use super::*;
use crate::command::PutOptions;
use crate::value::SigningKey;

#[test]
fn quorums_follow_the_holders() {
    let put = |quorum| Command::PutBlob {
        value: Box::default(),
        options: PutOptions { quorum, ..PutOptions::default() },
    };
    let cases = [(0, 1), (1, 1), (2, 2), (3, 2), (6, 4), (12, 8), (20, 8), (60, 8)];
    for (holders, expected) in cases {
        assert_eq!(quorum(&put(Quorum::Auto), holders), expected, "{holders} holders");
    }
    assert_eq!(quorum(&put(Quorum::Count(12)), 4), 12, "what was asked for is not bargained down");
    assert_eq!(quorum(&put(Quorum::All), 20), 20);
    let record = Record::sign(&SigningKey::from_bytes(&[1; 32]), b"", 2, 9, None);
    assert_eq!(quorum(&Command::put_record(record.clone(), Some(1)), 20), 11, "swaps need half");
    assert_eq!(quorum(&Command::put_record(record, None), 20), 8);
}
