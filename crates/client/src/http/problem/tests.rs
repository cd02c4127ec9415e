#![cfg(feature = "http")]

use std::time::Duration;

use super::*;
use crate::mainline::SignedItem;
use crate::report::{self, PutReport, Report};
use crate::{Key, NodeContact};

fn carried(problem: &Problem) -> Problem {
    serde_json::from_str(&serde_json::to_string(problem).unwrap()).unwrap()
}

fn stored() -> Box<PutReport> {
    let id = Key::from_id(&[1; 20]);
    Box::new(PutReport {
        key: id,
        seq: Some(3),
        acknowledged: vec![NodeContact { id, address: ([127, 0, 0, 1], 1).into() }],
        refused: Vec::new(),
        silent: 1,
        report: Some(Report { asked: 2, elapsed: Duration::from_millis(5), ..Report::default() }),
    })
}

#[test]
fn errors_of_lookups_survive_the_way() {
    for error in [
        FindError::NoContacts,
        FindError::NoAnswer,
        FindError::WrongFamily,
        FindError::TooManyOperations { limit: 7 },
        FindError::Stopped,
        FindError::Daemon { message: "the daemon sleeps: wake it".into() },
    ] {
        let problem = Problem::from(&error);
        assert!(problem.status >= 500, "{problem:?}");
        assert_eq!(find_error(&carried(&problem)), error);
        assert_eq!(get_error(&carried(&problem)), error.clone().into());
        assert_eq!(put_error(&carried(&problem)), error.clone().into());
        assert_eq!(announce_error(&carried(&problem)), error.into());
    }
}

#[test]
fn errors_of_gets_and_puts_survive_the_way() {
    let report = Report { asked: 9, answered: 8, ..Report::default() };
    for error in [GetError::NotFound { report }, GetError::SaltTooLong { bytes: 65 }] {
        assert_eq!(get_error(&carried(&Problem::from(&error))), error);
    }
    let winner = Box::new(SignedItem {
        public_key: [1; 32],
        salt: b"s".to_vec(),
        seq: 4,
        value: b"i4e".to_vec(),
        signature: [2; 64],
    });
    for (error, status) in [
        (PutError::ValueTooLong { bytes: 1001 }, 413),
        (PutError::NotBencoded, 422),
        (PutError::SaltTooLong { bytes: 65 }, 422),
        (PutError::BadSignature, 422),
        (PutError::Conflict { winner, report: stored() }, 409),
        (PutError::NotStored { report: stored() }, 503),
    ] {
        let problem = Problem::from(&error);
        assert_eq!(problem.status, status);
        assert_eq!(put_error(&carried(&problem)), error);
    }
    let error = AnnounceError::NotStored { report: stored() };
    assert_eq!(announce_error(&carried(&Problem::from(&error))), error);
}

#[test]
fn errors_of_pings_survive_the_way() {
    let address = ([127, 0, 0, 1], 9).into();
    let refusal = report::Refusal { from: address, code: 204, message: "what?".into() };
    for error in [
        PingError::NoAnswer { address },
        PingError::WrongFamily { address },
        PingError::Refused(refusal),
        PingError::Find(FindError::Stopped),
    ] {
        assert_eq!(ping_error(&carried(&Problem::from(&error)), address), error);
    }
}
