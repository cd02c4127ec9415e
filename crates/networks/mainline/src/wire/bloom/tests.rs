use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The test vector of BEP 33.
const EXPECTED: &str = "\
    F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE \
    FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B \
    7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F \
    D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3 \
    FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5 \
    BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57 \
    62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6 \
    FD8F72EF";

fn v4() -> impl Iterator<Item = IpAddr> {
    (0..=255).map(|host| Ipv4Addr::new(192, 0, 2, host).into())
}

fn v6() -> impl Iterator<Item = IpAddr> {
    (0..=0x3e7).map(|host| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host).into())
}

#[test]
fn bep33_vector() {
    let mut bloom = Bloom::new();
    v4().chain(v6()).for_each(|ip| bloom.insert(ip));
    let words = bloom.as_bytes().as_chunks().0.iter();
    let words: Vec<String> =
        words.map(|word| format!("{:08X}", u32::from_be_bytes(*word))).collect();
    assert_eq!(words.join(" "), EXPECTED);
    assert!((bloom.estimate() - 1224.9308).abs() < 0.0001);
}

#[test]
fn a_union_is_the_filter_of_all() {
    let (mut all, mut left, mut right) = (Bloom::new(), Bloom::new(), Bloom::new());
    v4().chain(v6()).for_each(|ip| all.insert(ip));
    v4().for_each(|ip| left.insert(ip));
    v6().for_each(|ip| right.insert(ip));
    left.union(&right);
    assert_eq!(left, all);
}

#[test]
fn the_extremes_are_finite() {
    assert!(Bloom::new().estimate().abs() < f64::EPSILON);
    let mut one = Bloom::new();
    one.insert(IpAddr::from([1, 2, 3, 4]));
    assert!((one.estimate() - 1.0).abs() < 0.01);
    let full = Bloom::from(&[0xff; Bloom::BYTES]).estimate();
    assert!(full.is_finite() && full > 7000.0);
}
