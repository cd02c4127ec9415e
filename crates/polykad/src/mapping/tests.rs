use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::*;

/// What a gateway was asked: the port inside, and for how many seconds; 0 gives it back.
type Asked = (u16, u32);

/// A gateway that speaks NAT-PMP alone, maps every port to the one a thousand higher, and tells
/// what it is asked.
async fn gateway(address: IpAddr, lifetime_s: u32) -> mpsc::UnboundedReceiver<Asked> {
    let socket = UdpSocket::bind((address, crab_nat::GATEWAY_PORT)).await.unwrap();
    let (tell, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 1100];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let request = &buffer[..length];
            let answer = match request {
                [0, 1, _, _, inside @ ..] if inside.len() == 8 => {
                    let port = u16::from_be_bytes([inside[0], inside[1]]);
                    let wanted = u32::from_be_bytes([inside[4], inside[5], inside[6], inside[7]]);
                    let granted = wanted.min(lifetime_s);
                    let outside = if wanted == 0 { 0 } else { port + 1000 };
                    let _ = tell.send((port, wanted));
                    let mut answer = vec![0, 129, 0, 0, 0, 0, 0, 9];
                    answer.extend(port.to_be_bytes());
                    answer.extend(outside.to_be_bytes());
                    answer.extend(granted.to_be_bytes());
                    answer
                }
                // RFC 6886, section 3.5: an unsupported version.
                _ => vec![0, 128, 0, 1, 0, 0, 0, 9],
            };
            let _ = socket.send_to(&answer, from).await;
        }
    });
    asked
}

fn nowhere() -> SocketAddr {
    "127.0.0.1:9".parse().unwrap()
}

#[tokio::test]
async fn a_mapping_is_renewed_and_given_back() {
    let router: IpAddr = "127.88.0.1".parse().unwrap();
    let mut asked = gateway(router, 2).await;
    let (tell, mut mapped) = watch::channel(None);
    let (close, closing) = watch::channel(false);
    let gateways = move || Gateways { router: Some(router), search: nowhere() };
    let port = NonZeroU16::new(7654).unwrap();
    let keeping = tokio::spawn(keep_mapped(port, gateways, tell, closing));
    assert_eq!(*mapped.wait_for(Option::is_some).await.unwrap(), Some(8654));
    for _ in 0..3 {
        let (port, lifetime_s) = asked.recv().await.unwrap();
        assert!(port == 7654 && lifetime_s > 0);
    }
    close.send_replace(true);
    keeping.await.unwrap();
    assert_eq!(*mapped.borrow(), None);
    loop {
        let (port, lifetime_s) = asked.recv().await.unwrap();
        assert_eq!(port, 7654);
        if lifetime_s == 0 {
            break;
        }
    }
}

#[tokio::test]
async fn without_a_gateway_nothing_is_mapped() {
    let (tell, mapped) = watch::channel(None);
    let (close, closing) = watch::channel(false);
    let gateways = || Gateways { router: None, search: nowhere() };
    let port = NonZeroU16::new(7654).unwrap();
    let keeping = tokio::spawn(keep_mapped(port, gateways, tell, closing));
    close.send_replace(true);
    keeping.await.unwrap();
    assert_eq!(*mapped.borrow(), None);
}

#[test]
fn the_default_route_names_the_router() {
    let check = |lines: &[&str], expected: Option<&str>| {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";
        let found = default_route(&format!("{head}{}\n", lines.join("\n")));
        assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{lines:?}");
    };
    let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
    let local = format!("eth0\t{}\t00000000\t0001\t0\t0\t0", hex([192, 168, 7, 0]));
    let default = format!("eth0\t00000000\t{}\t0003\t0\t0\t0", hex([192, 168, 7, 1]));
    check(&[&local, &default], Some("192.168.7.1"));
    check(&[&local], None);
    check(&["eth0\t00000000\t00000000\t0001\t0"], None);
    check(&["", "nonsense", "a b c", "ppp0\t00000000\txyz"], None);
}

#[test]
fn only_translated_addresses_are_mapped() {
    for (address, expected) in [
        ("192.168.1.2", true),
        ("10.0.0.1", true),
        ("100.64.0.1", true),
        ("100.128.0.1", false),
        ("192.0.2.1", false),
        ("8.8.8.8", false),
    ] {
        assert_eq!(is_translated(&address.parse().unwrap()), expected, "{address}");
    }
    assert!(may_be_mapped(&"0.0.0.0:1".parse().unwrap()));
    assert!(!may_be_mapped(&"127.0.0.1:1".parse().unwrap()));
    assert!(!may_be_mapped(&"[::]:1".parse().unwrap()));
}
