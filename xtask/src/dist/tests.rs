use std::fs;
use std::path::Path;

use crate::shell::root;

/// What the links of a page lead to, other sites and places on the same page apart.
fn links(page: &str) -> Vec<String> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter_map(|target| target.split('#').next());
    files.filter(|file| !file.is_empty() && !file.contains("://")).map(str::to_owned).collect()
}

/// A page with what it includes, as mdBook puts it together.
fn whole(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    text.lines().fold(String::new(), |whole, line| {
        let included = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"));
        let line = included.map_or(line.to_owned(), |file| {
            fs::read_to_string(page.parent().unwrap().join(file)).unwrap()
        });
        whole + &line + "\n"
    })
}

#[test]
fn links_are_found() {
    let page = "[a](b.md) ![c](d/e.png) [f](https://g) [h](#i) [j](k.md#l)";
    assert_eq!(links(page), ["b.md", "d/e.png", "k.md"]);
}

#[test]
fn the_guides_links_lead_somewhere() {
    let folder = root().join("docs/guide/src");
    let pages = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<_> = pages.filter(|page| page.extension().is_some_and(|e| e == "md")).collect();
    assert!(pages.len() > 5);
    for page in pages {
        for link in links(&whole(&page)) {
            let is_there = folder.join(&link).exists();
            assert!(is_there, "{} links to {link}, which is not there", page.display());
        }
    }
}

#[test]
fn what_the_tarball_holds_is_there() {
    for file in super::FILES {
        assert!(root().join(file).is_file(), "{file} is missing");
    }
}
