use core::net::SocketAddr;

use client::mainline::SignedItem;
use client::{Key, Report};

use super::*;

fn report() -> PutReport {
    let from: SocketAddr = "127.0.0.1:1".parse().unwrap();
    PutReport {
        key: Key::ZERO,
        seq: None,
        acknowledged: Vec::new(),
        refused: vec![Refusal { from, code: 206, message: "no".into() }],
        silent: 3,
        report: None,
    }
}

#[test]
fn a_conflict_names_the_winning_seq() {
    let winner = SignedItem {
        public_key: [0; 32],
        salt: Vec::new(),
        seq: 41,
        value: Vec::new(),
        signature: [0; 64],
    };
    let error = PutError::Conflict { winner: Box::new(winner), report: Box::new(report()) };
    let failure = Failure::from(error);
    assert_eq!(failure.kind, Kind::Failed);
    assert_eq!(failure.details.get("seq"), Some(&json!(41)));
    assert!(failure.message.contains("--seq 42 --cas 41"), "{}", failure.message);
}

#[test]
fn a_refused_put_tells_the_codes() {
    let failure = Failure::from(PutError::NotStored { report: Box::new(report()) });
    assert!(failure.message.contains("code 206"), "{}", failure.message);
    assert_eq!(failure.details["refused"][0]["code"], json!(206));
    assert_eq!(failure.details.get("silent"), Some(&json!(3)));
}

#[test]
fn what_the_user_can_mend_is_wrong_use() {
    for error in [
        PutError::ValueTooLong { bytes: 1001 },
        PutError::NotBencoded,
        PutError::SaltTooLong { bytes: 65 },
    ] {
        assert_eq!(Failure::from(error).kind, Kind::WrongUse);
    }
    let not_found = GetError::NotFound { report: Report::default() };
    assert_eq!(Failure::from(not_found).kind, Kind::Failed);
}
