use super::*;

#[test]
fn a_peer_id_is_read_in_all_its_forms() {
    // Of one key: libp2p's own form, and as a CID in base36 and base32.
    let public_key = [7; 32];
    let id = peer(&public_key, b"").id;
    assert!(id.starts_with("12D3KooW"), "{id}");
    let hash = Multihash::wrap(0, &[&ED25519[..], &public_key].concat()).unwrap();
    let cid = Cid::new_v1(LIBP2P_KEY, hash);
    let base36 = cid.to_string_of_base(Base::Base36Lower).unwrap();
    assert!(base36.starts_with("k51"), "{base36}");
    for text in [id, base36, cid.to_string()] {
        assert_eq!(peer_id(&text).and_then(|id| ed25519(&id)), Some(public_key), "{text}");
    }
    let content = Cid::new_v1(0x55, hash).to_string();
    for wrong in ["", "1", "12D3", "Qm", "k51", content.as_str(), "../.."] {
        assert_eq!(peer_id(wrong).and_then(|id| ed25519(&id)), None, "{wrong}");
    }
}

#[test]
fn addresses_are_lines_that_begin_with_a_slash() {
    let told = peer(&[1; 32], b"/ip4/192.0.2.1/tcp/4001\nhello\n /dns4/a.example/tcp/443/wss \n");
    assert_eq!(told.addrs, ["/ip4/192.0.2.1/tcp/4001", "/dns4/a.example/tcp/443/wss"]);
}
