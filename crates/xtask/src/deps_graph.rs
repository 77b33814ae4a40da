//! Arrows between our crates are those that ARCHITECTURE.md lists, and dependencies stay few.

use crate::run::{Problem, command, output, read, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most packages that Cargo.lock may hold.
const MOST_LOCKED_PACKAGES: usize = 350;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Compares the manifests with the list in ARCHITECTURE.md.
pub(crate) fn check() -> Result<(), Problem> {
    let documented = documented(&read(&root().join("ARCHITECTURE.md"))?)?;
    let actual = actual()?;
    let mut problems = Vec::new();
    for (name, depends) in &actual {
        let Some(allowed) = documented.get(name) else {
            problems.push(format!("ARCHITECTURE.md doesn't list the crate {name}"));
            continue;
        };
        for extra in depends.difference(allowed) {
            problems.push(format!(
                "{name} depends on {extra}, which ARCHITECTURE.md doesn't list"
            ));
        }
    }
    for gone in documented.keys().filter(|name| !actual.contains_key(*name)) {
        problems.push(format!("ARCHITECTURE.md lists {gone}, which doesn't exist"));
    }
    let locked = read(&root().join("Cargo.lock"))?
        .matches("[[package]]")
        .count();
    if locked > MOST_LOCKED_PACKAGES {
        problems.push(format!(
            "Cargo.lock holds {locked} packages, over {MOST_LOCKED_PACKAGES}"
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Crates that only developers run; they may depend on anything.
fn is_development_only(name: &str) -> bool {
    ["xtask", "tahoe-test-support"].contains(&name)
}

fn documented(architecture: &str) -> Result<Graph, Problem> {
    let block = architecture
        .split_once("```deps\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .ok_or("ARCHITECTURE.md has no block that begins with ```deps")?
        .0;
    let line = |line: &str| {
        let (name, depends) = line
            .split_once(':')
            .ok_or(format!("no colon in {line:?}"))?;
        Ok((
            name.to_owned(),
            depends.split_whitespace().map(str::to_owned).collect(),
        ))
    };
    block.lines().map(line).collect()
}

fn actual() -> Result<Graph, Problem> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--locked"];
    let printed = output(&mut command("cargo", &arguments))?;
    let metadata: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut graph = Graph::new();
    for package in packages {
        let Some(name) = package["name"]
            .as_str()
            .filter(|name| !is_development_only(name))
        else {
            continue;
        };
        let depends = package["dependencies"].as_array().into_iter().flatten();
        let depends = depends
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| ours.contains(dependency))
            .map(str::to_owned);
        graph.insert(name.to_owned(), depends.collect());
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list() {
        let graph = documented("text\n```deps\na:\nb: a\n```\nmore").unwrap();
        assert_eq!(graph["b"], BTreeSet::from(["a".to_owned()]));
        assert!(graph["a"].is_empty());
        assert!(documented("no list").is_err());
    }
}
