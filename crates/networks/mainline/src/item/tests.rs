use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

const PUBLIC_KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";

/// BEP 44, test vectors 1 and 2: the signatures and targets are those of the specification.
#[test]
fn bep44_vectors() {
    let item = |salt: &[u8], signature: &str| MutableItem {
        public_key: hex(PUBLIC_KEY).try_into().unwrap(),
        salt: Salt::new(salt).unwrap(),
        seq: 1,
        value: (*b"12:Hello World!").into(),
        signature: hex(signature).try_into().unwrap(),
    };
    let plain = item(
        b"",
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
         1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
    );
    assert_eq!(plain.verify(), Ok(()));
    assert_eq!(plain.target().as_bytes()[..], hex("4a533d47ec9c7d95b1ad75f576cffc641853b750"));
    let salted = item(
        b"foobar",
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
         df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
    );
    assert_eq!(salted.verify(), Ok(()));
    assert_eq!(salted.target().as_bytes()[..], hex("411eba73b6f087ca51a3795d9c8c938d365e32c1"));
}

/// BEP 44, test vector 3.
#[test]
fn bep44_immutable_vector() {
    let target = immutable_target(b"12:Hello World!");
    assert_eq!(target.as_bytes()[..], hex("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
}

#[test]
fn what_is_signed_verifies_and_a_change_does_not() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let mut item = MutableItem::sign(&key, Salt::new(b"s").unwrap(), 4, b"i42e").unwrap();
    assert_eq!(item.verify(), Ok(()));
    item.seq = 5;
    assert_eq!(item.verify(), Err(ItemError::BadSignature));
}

#[test]
fn limits() {
    let value = |n: usize| [format!("{n}:").into_bytes(), vec![b'x'; n]].concat();
    assert_eq!(check_value(&value(996)), Ok(()));
    assert_eq!(check_value(&value(997)), Err(ItemError::ValueTooLong(1001)));
    assert_eq!(check_value(b"4:abc"), Err(ItemError::NotBencoded));
    assert_eq!(check_value(b"i1ei2e"), Err(ItemError::NotBencoded));
    assert_eq!(Salt::new(&[0; 65]), Err(ItemError::SaltTooLong(65)));
}
