use super::*;

#[test]
fn a_new_key_is_read_back_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.key");
    let key = create(&path).unwrap();
    assert_eq!(read(&path).unwrap().to_bytes(), key.to_bytes());
    assert!(create(&path).unwrap_err().message.contains("exists already"));
    assert_eq!(read(&path).unwrap().to_bytes(), key.to_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn refuses_what_is_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.key");
    let seed = "07".repeat(32);
    let long = "#".repeat(5000);
    for bad in ["", "xyz", &seed[..62], &format!("{seed}\n{seed}"), &long] {
        fs::write(&path, bad).unwrap();
        assert!(read(&path).unwrap_err().message.contains("is no key file"), "{bad}");
    }
    fs::write(&path, format!("# mine\r\n\r\n  {seed}\r\n")).unwrap();
    assert_eq!(read(&path).unwrap().to_bytes(), [7; 32]);
    let missing = read(&folder.path().join("no.key")).unwrap_err();
    assert!(missing.message.contains("keygen"), "{}", missing.message);
}
