use super::*;

const KEY: &str = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e";

fn target(link: &str) -> Result<String, MagnetError> {
    link.parse::<Magnet>().map(|magnet| magnet.target().to_string())
}

/// The test vectors of BEP 46.
#[test]
fn bep46_vectors() {
    let plain = format!("magnet:?xs=urn:btpk:{KEY}");
    let salted = format!("{plain}&s=6e");
    let expected = "cc3f9d90b572172053626f9980ce261a850d050b";
    assert_eq!(target(&plain).as_deref(), Ok(expected));
    let expected = "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f";
    assert_eq!(target(&salted).as_deref(), Ok(expected));
    for link in [plain, salted] {
        assert_eq!(link.parse::<Magnet>().unwrap().to_string(), link);
    }
}

#[test]
fn links_to_torrents() {
    let hash = "c9e15763f722f23e98a29decdfae341b98d53056";
    for link in [
        "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056",
        "magnet:?xt=urn:btih:C9E15763F722F23E98A29DECDFAE341B98D53056&dn=a%20name&tr=http://t/",
        "  magnet:?dn=name&xt=urn%3Abtih%3Ac9e15763f722f23e98a29decdfae341b98d53056\n",
        "MAGNET:?xt.1=urn:btmh:1220ab&xt.2=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056",
        "magnet:?xt=urn:btih:ZHQVOY7XELZD5GFCTXWN7LRUDOMNKMCW",
        "magnet:?xt=urn:btih:zhqvoy7xelzd5gfctxwn7lrudomnkmcw",
    ] {
        assert_eq!(target(link).as_deref(), Ok(hash), "{link}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let long = format!("magnet:?xs=urn:btpk:{KEY}&s={}", "00".repeat(65));
    for (link, error) in [
        ("http://example.net/", "a magnet link begins with \"magnet:?\""),
        ("", "a magnet link begins with \"magnet:?\""),
        (
            "magnet:?dn=name",
            "the link names neither a torrent (xt=urn:btih:…) nor an item (xs=urn:btpk:…)",
        ),
        (
            "magnet:?xt=urn:btmh:1220ab",
            "the link names only a version 2 torrent (urn:btmh), which is not supported",
        ),
        (
            "magnet:?xt=urn:btih:c9e1",
            "info-hash: an id has 40 hexadecimal (or 32 base-32) digits, not 4",
        ),
        (
            "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d5305ü",
            "info-hash: 'ü' is not a hexadecimal digit",
        ),
        (
            "magnet:?xt=urn:btih:1HQVOY7XELZD5GFCTXWN7LRUDOMNKMCW",
            "info-hash: '1' is not a base-32 digit",
        ),
        ("magnet:?xs=urn:btpk:00", "a public key has 64 hexadecimal digits"),
        (long.as_str(), "salt of 65 bytes exceeds the limit of 64 bytes"),
    ] {
        assert_eq!(target(link).unwrap_err().to_string(), error, "{link}");
    }
    let odd = format!("magnet:?xs=urn:btpk:{KEY}&s=123");
    assert_eq!(target(&odd), Err(MagnetError::SaltDigits));
}
