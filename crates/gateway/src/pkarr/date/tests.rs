use std::time::Duration;

use super::*;

#[test]
fn dates_are_written_and_read() {
    for (seconds, text) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_741_107_004, "Tue, 04 Mar 2025 16:50:04 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(write(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        assert_eq!(read(text), Some(seconds), "{text}");
    }
    for wrong in ["", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nox 1994 08:49:37 GMT", "now"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn every_day_of_a_century_survives_the_way() {
    for day in 0..36_525 {
        let text = write(UNIX_EPOCH + Duration::from_secs(day * DAY_S + 1));
        assert_eq!(read(&text), Some(day * DAY_S + 1), "{text}");
    }
}

#[test]
fn dates_of_other_programs_are_read() {
    for (text, expected) in [
        ("2033-05-18T03:33:20Z", Some(2_000_000_000)),
        ("2033-05-18T03:33:20.123456789Z", Some(2_000_000_000)),
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2033-05-18 03:33:20Z", None),
        ("2033-13-18T03:33:20Z", None),
        ("2033-05-18T03:33:20+01:00", None),
        ("2033-05-18T24:00:00Z", None),
    ] {
        assert_eq!(read_rfc3339(text.as_bytes()), expected, "{text}");
    }
}
