//! Whether others can reach a node: they find out, and it draws the consequences.

use std::time::Duration;

use crate::world::{Place, World};
use poly::command::{Command, Outcome};
use poly::node::Reachability;
use poly::value::blob_key;
use poly::{MemoryStore, Peer};

/// Adds a node that has itself tested, in a subnet of its own; `number` is below 250.
fn add(world: &mut World, number: u8, through: Option<Place>, behind_nat: bool) -> Place {
    let place: Place = format!("198.51.{number}.1:7654").parse().unwrap();
    let mut settings = world.settings();
    settings.test_reach = true;
    if behind_nat {
        world.nats.insert(place);
    }
    world.add_at(place, settings, MemoryStore::default());
    let through = through.map(Peer::unproven).into_iter().collect();
    world.command(place, Command::Bootstrap(through));
    place
}

/// A network of nodes that others reach, and such that they don't.
fn mixed(seed: u64, open: u8, shut: u8) -> (World, Vec<Place>, Vec<Place>) {
    let mut world = World::new(seed);
    let first = add(&mut world, 0, None, false);
    let mut places = (vec![first], Vec::new());
    for number in 1..open + shut {
        let behind_nat = number >= open;
        let place = add(&mut world, number, Some(first), behind_nat);
        if behind_nat {
            places.1.push(place);
        } else {
            places.0.push(place);
        }
        world.run_for(Duration::from_secs(1));
    }
    world.run_for(Duration::from_mins(40));
    (world, places.0, places.1)
}

fn verdict(world: &World, place: Place) -> Reachability {
    world.node(place).status(world.now).reachability
}

#[test]
fn whoever_is_behind_a_nat_becomes_a_client_and_all_values_are_found() {
    let (mut world, open, shut) = mixed(1, 110, 40);
    let are = |world: &World, places: &[Place], wanted| -> Vec<Place> {
        places.iter().copied().filter(|place| verdict(world, *place) == wanted).collect()
    };
    assert_eq!(are(&world, &open, Reachability::Unreachable), []);
    let count = are(&world, &open, Reachability::Reachable).len();
    assert!(count >= 100, "{count} of 110 know that they are reached");
    assert_eq!(are(&world, &shut, Reachability::Reachable), []);
    let clients = are(&world, &shut, Reachability::Unreachable);
    assert!(clients.len() >= 34, "{} of 40 are clients", clients.len());
    let keys: Vec<_> = (0..40_u8)
        .map(|number| {
            let at = usize::from(number);
            let at = if at % 2 == 0 { open[at] } else { clients[at % clients.len()] };
            let value = [number; 50];
            let (outcome, _) = world.perform(at, Command::put_blob(&value));
            assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
            blob_key(&value)
        })
        .collect();
    world.run_for(Duration::from_mins(15));
    for (at, key) in keys.iter().enumerate() {
        let holders = world.holders(key);
        assert!(!holders.iter().any(|holder| clients.contains(holder)), "{holders:?}");
        for reader in [open[at + 50], clients[(at + 3) % clients.len()]] {
            let (outcome, _) = world.perform(reader, Command::get_blob(*key));
            assert!(matches!(outcome, Outcome::Blob(Some(_))), "{outcome:?}");
        }
    }
    for place in &open {
        let contacts = world.node(*place).members().map(|member| member.contact.address.socket());
        let known: Vec<_> = contacts.filter(|address| clients.contains(address)).collect();
        assert_eq!(known, [], "clients are in no table");
    }
}

#[test]
fn whoever_joins_behind_a_nat_knows_it_soon() {
    let (mut world, open, _) = mixed(5, 150, 0);
    let shut: Vec<_> = (150..170).map(|at| add(&mut world, at, Some(open[0]), true)).collect();
    world.run_for(Duration::from_mins(5));
    let clients = shut.iter().filter(|at| verdict(&world, **at) == Reachability::Unreachable);
    let count = clients.count();
    assert!(count >= 15, "{count} of 20");
}

#[test]
fn what_a_node_holds_goes_to_others_before_it_is_a_client() {
    let (mut world, open, _) = mixed(9, 50, 0);
    let values: Vec<_> = (0..30_u8).map(|number| vec![number; 40]).collect();
    for value in &values {
        world.perform(open[7], Command::put_blob(value));
    }
    // Somebody has put a firewall before it.
    let held = |world: &World| world.node(open[9]).shelf().usage().values;
    assert!(held(&world) > 0);
    world.nats.insert(open[9]);
    world.run_for(Duration::from_hours(6));
    assert_eq!(verdict(&world, open[9]), Reachability::Unreachable);
    assert_eq!(held(&world), 0);
    for value in &values {
        assert!(world.holders(&blob_key(value)).len() >= 8);
    }
    // It is taken away again.
    world.nats.clear();
    world.run_for(Duration::from_hours(2));
    assert_eq!(verdict(&world, open[9]), Reachability::Reachable);
    let known = open.iter().filter(|place| {
        world.node(**place).members().any(|member| member.contact.address.socket() == open[9])
    });
    assert!(known.count() > 0, "others keep it in mind again");
}

#[test]
fn a_network_so_small_that_all_speak_with_all_goes_on_as_it_is() {
    let (mut world, open, _) = mixed(4, 3, 0);
    for place in &open {
        assert_ne!(verdict(&world, *place), Reachability::Unreachable);
    }
    let (outcome, _) = world.perform(open[0], Command::put_blob(b"few"));
    let Outcome::Stored(who) = outcome else { panic!("{outcome:?}") };
    assert_eq!(who.stored.len(), 3);
    assert!(world.messages < 4000, "{} messages", world.messages);
}
