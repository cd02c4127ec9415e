use super::*;
use crate::engine::Births;
use crate::scenario::Overrides;

fn scenario(more: &str) -> Scenario {
    let text = format!("name = \"s\"\nnodes = 300\nduration = \"1m\"\n{more}");
    let file = ScenarioFile::parse(Path::new("s"), &text, Path::new(""), Overrides::default());
    file.unwrap().scenario
}

#[test]
fn of_nodes_behind_a_nat_some_are_clients_and_none_is_in_a_table() {
    let scenario = scenario("[trouble]\nnat = 0.3\nrestricted = 0.2\n");
    let net = Net::new(net_settings(&scenario, Path::new("")).unwrap(), 1);
    let network = mainline_network(&scenario, 1, EARLIEST_START, &net);
    let (mut clients, mut restricted) = (0, 0);
    for place in 0..300 {
        clients += u32::from(net.is_client(place));
        restricted += u32::from(net.is_behind_nat(place) && !net.is_client(place));
        let contacts = network.contacts(&network.born(place));
        assert!(contacts.len() > 20, "{} contacts", contacts.len());
        assert!(contacts.iter().all(|contact| !net.is_behind_nat(*contact)));
    }
    assert!((60..120).contains(&clients) && (35..90).contains(&restricted));
}
