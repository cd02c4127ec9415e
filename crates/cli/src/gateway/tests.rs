use super::*;

#[test]
fn tokens_are_made_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let made = read_token(&file).unwrap();
    assert_eq!(made.len(), 48);
    assert_eq!(read_token(&file).unwrap(), made);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for wrong in ["", "short", "sixteen letters and a space"] {
        fs::write(&file, wrong).unwrap();
        assert!(read_token(&file).unwrap_err().message.contains("holds no token"), "{wrong}");
    }
}

#[test]
fn a_browser_is_sent_to_an_address_it_can_use() {
    for (listen, expected) in [
        ("0.0.0.0:6880", "http://127.0.0.1:6880"),
        ("[::]:1", "http://[::1]:1"),
        ("192.0.2.7:80", "http://192.0.2.7:80"),
    ] {
        assert_eq!(url(listen.parse().unwrap()), expected);
    }
}
