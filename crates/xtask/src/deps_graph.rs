//! Arrows between our crates are those that ARCHITECTURE.md lists, dependencies are used and stay few.

use crate::run::{Problem, command, files, output, read, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most packages that Cargo.lock may hold.
const MOST_LOCKED_PACKAGES: usize = 350;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Compares the manifests with the list in ARCHITECTURE.md.
pub(crate) fn check() -> Result<(), Problem> {
    let documented = documented(&read(&root().join("ARCHITECTURE.md"))?)?;
    let packages = packages()?;
    let actual = arrows(&packages);
    let mut problems = unused(&packages)?;
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
    for (name, allowed) in &documented {
        let actual = actual.get(name).into_iter().flatten().cloned().collect();
        for stale in allowed.difference(&actual) {
            problems.push(format!(
                "ARCHITECTURE.md lists {name} -> {stale}, which isn't so"
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

/// What cargo says of our crates.
fn packages() -> Result<Vec<Value>, Problem> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--locked"];
    let printed = output(&mut command("cargo", &arguments))?;
    let metadata: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array();
    Ok(packages.ok_or("cargo metadata lists no packages")?.clone())
}

fn arrows(packages: &[Value]) -> Graph {
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
    graph
}

/// Complains of dependencies that no source of their crate names.
fn unused(packages: &[Value]) -> Result<Vec<Problem>, Problem> {
    let mut sources = BTreeMap::<String, String>::new();
    for path in files()? {
        let mut parts = path.iter().filter_map(|part| part.to_str());
        if let (Some("crates"), Some(name), Some("rs")) = (
            parts.next(),
            parts.next(),
            path.extension().and_then(|extension| extension.to_str()),
        ) {
            *sources.entry(name.to_owned()).or_default() += &read(&root().join(&path))?;
        }
    }
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let source = sources.get(name).map_or("", String::as_str);
        let depends = package["dependencies"].as_array().into_iter().flatten();
        let depends = depends.filter_map(|dependency| dependency["name"].as_str());
        let others = depends.filter(|dependency| *dependency != name);
        for dependency in unnamed(others, source) {
            problems.push(format!(
                "{name} depends on {dependency}, but no source of it says so"
            ));
        }
    }
    Ok(problems)
}

/// The crates among these that the source doesn't name.
fn unnamed<'a>(crates: impl Iterator<Item = &'a str>, source: &str) -> Vec<&'a str> {
    let words = source.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words: BTreeSet<&str> = words.collect();
    crates
        .filter(|name| !words.contains(&*name.replace('-', "_")))
        .collect()
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

    #[test]
    fn finds_what_nobody_names() {
        let source = "use http_body::Body;\nfn f() -> bytes::Bytes { x_hyper(tokio::spawn) }";
        let crates = ["http-body", "bytes", "hyper", "tokio", "http"];
        assert_eq!(unnamed(crates.into_iter(), source), ["hyper", "http"]);
    }
}
