use super::*;

fn options(value: Option<&str>) -> PutOptions {
    PutOptions {
        value: value.map(str::to_owned),
        file: None,
        bencoded: false,
        key_file: None,
        salt: None,
        seq: None,
        cas: None,
    }
}

fn value(options: &PutOptions) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wish = runtime.block_on(Wish::read(options));
    wish.map(|wish| wish.value).map_err(|failure| failure.message)
}

#[test]
fn values_are_wrapped_and_checked_before_joining() {
    assert_eq!(value(&options(Some("hello"))), Ok(b"5:hello".to_vec()));
    assert!(value(&options(Some(&"x".repeat(996)))).is_ok());
    assert!(value(&options(Some(&"x".repeat(997)))).unwrap_err().contains("1000 bytes"));
    let bencoded = |text| PutOptions { bencoded: true, ..options(Some(text)) };
    assert_eq!(value(&bencoded("d1:ai1ee")), Ok(b"d1:ai1ee".to_vec()));
    assert!(value(&bencoded("hello")).unwrap_err().contains("leave out --bencoded"));
}

#[test]
fn files_are_read_as_far_as_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    let from_file = PutOptions { file: Some(path.clone()), ..options(None) };
    assert!(value(&from_file).unwrap_err().contains("cannot read"));
    std::fs::write(&path, [0, 255]).unwrap();
    assert_eq!(value(&from_file), Ok(b"2:\0\xff".to_vec()));
    std::fs::write(&path, vec![7; 1_000_000]).unwrap();
    assert!(value(&from_file).unwrap_err().contains("too long"));
}

#[test]
fn finds_the_torrent_in_a_value() {
    let hash = [7; 20];
    let with = |before: &[u8], after: &[u8]| {
        [b"d".as_slice(), before, b"2:ih20:", &hash, after, b"e"].concat()
    };
    assert_eq!(info_hash(&with(b"", b"")), Some(Key::from(hash)));
    assert_eq!(info_hash(&with(b"1:ali1ee", b"1:zi0e")), Some(Key::from(hash)));
    for bad in [b"de".as_slice(), b"2:ih", b"d2:ih2:xxe", b"d2:ih20:xe", b""] {
        assert_eq!(info_hash(bad), None);
    }
}
