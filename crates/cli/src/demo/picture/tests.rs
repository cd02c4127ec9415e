use super::*;

const ASCII: Terminal = Terminal { live: true, colour: false, unicode: false };

fn key(head: u32) -> Key {
    Key::from_id(&head.to_be_bytes())
}

#[test]
fn places_keys_in_order() {
    for (head, expected) in [
        (0, (0, 0)),
        (0x4000_0000, (0, 5)),
        (0x7fff_ffff, (0, 9)),
        (0x8000_0000, (1, 0)),
        (0xffff_ffff, (1, 9)),
    ] {
        assert_eq!(place(&key(head), 2, 10), expected, "{head:x}");
    }
}

#[test]
fn draws_nodes_and_a_lookup() {
    let node = |head, alive| Actor { id: key(head), alive };
    let nodes = vec![
        node(0x0000_0000, true),
        node(0x2000_0000, true),
        node(0x4000_0000, false),
        node(0x8000_0000, false),
        node(0xf000_0000, true),
    ];
    let spotlight = Spotlight {
        key: key(0x3000_0000),
        holders: vec![key(0x2000_0000), key(0x4000_0000)],
        asker: key(0xf000_0000),
    };
    let scene = Scene { nodes, spotlight: Some(spotlight) };
    let expected = [
        " 0000 o.#|X...",
        " 8000 x......?",
        "      o 3 alive   x 2 dead   | key   # stores it   ? asks",
    ];
    assert_eq!(scene.draw(ASCII, 2, 14), expected);
}

#[test]
fn lines_are_powers_of_two() {
    for nodes in [0, 12, 50, 100, 400] {
        assert!(Scene::lines(nodes).is_power_of_two());
    }
}
