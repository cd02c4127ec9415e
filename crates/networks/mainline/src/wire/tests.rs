use super::*;

const ASKER: Id = Id::new(*b"abcdefghij0123456789");
const ANSWERER: Id = Id::new(*b"mnopqrstuvwxyz123456");

#[track_caller]
fn both_ways(bytes: &[u8], message: &Message<'_>) {
    assert_eq!(Message::decode(bytes), Ok(*message));
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out.escape_ascii().to_string(), bytes.escape_ascii().to_string());
}

fn query(request: Request<'_>) -> Message<'_> {
    Message::Query(Query::new(b"aa", ASKER, request))
}

/// The example packets of BEP 5.
#[test]
fn bep5_examples() {
    both_ways(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", query(Request::Ping));
    both_ways(
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e\
          1:q9:find_node1:t2:aa1:y1:qe",
        &query(Request::FindNode { target: ANSWERER }),
    );
    both_ways(
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e\
          1:q9:get_peers1:t2:aa1:y1:qe",
        &query(Request::GetPeers { info_hash: ANSWERER, noseed: false, scrape: false }),
    );
    both_ways(
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz123456\
          4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        &query(Request::AnnouncePeer {
            info_hash: ANSWERER,
            port: 6881,
            implied_port: true,
            seed: false,
            token: b"aoeusnth",
        }),
    );
    both_ways(
        b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
        &Message::Response(Response::new(b"aa", ANSWERER)),
    );
    both_ways(
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee\
          1:t2:aa1:y1:re",
        &Message::Response(Response {
            token: Some(b"aoeusnth"),
            values: Some(Values::new(b"6:axje.u6:idhtnm")),
            ..Response::new(b"aa", ASKER)
        }),
    );
    both_ways(
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        &Message::Error(ErrorReply::new(b"aa", code::GENERIC, b"A Generic Error Ocurred")),
    );
}
