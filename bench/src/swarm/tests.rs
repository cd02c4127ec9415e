use super::*;

fn swarm(nodes: usize) -> Swarm {
    Swarm::new(SocketAddrV4::new(Ipv4Addr::new(10, 65, 0, 2), 7000), nodes)
}

#[test]
fn one_node_a_subnet() {
    let swarm = swarm(300);
    let addresses: Vec<_> = swarm.addresses().collect();
    assert_eq!(*addresses[299].ip(), Ipv4Addr::new(10, 66, 43, 2));
    assert_eq!(swarm.id_at(*addresses[299].ip()), swarm.ids.last());
    assert_eq!(swarm.id_at(Ipv4Addr::new(10, 64, 0, 1)), None);
}

#[test]
fn answers_with_the_closest() {
    let swarm = swarm(50);
    let target = swarm.ids[7];
    let mut query = [0; 200];
    let length = Kind::FindNode.write(&mut query, &target, &target, 5);
    let ends = Ends { peer: swarm.base, local: *swarm.address(3).ip() };
    let answer = swarm.answer(ends, &query[..length]).unwrap();
    assert_eq!(message::answer_id(&answer), Some(5));
    let nodes = message::nodes(&answer);
    assert_eq!(nodes.len(), 8 * 26);
    assert!(nodes.starts_with(&target), "the closest comes first");
    assert!(swarm.answer(ends, &answer).is_none(), "answers are not answered");
}
