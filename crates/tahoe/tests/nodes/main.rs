//! Real nodes, ours and the Python reference's, as processes in grids of their own.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod checks;
mod deep_checks;
mod directories;
mod faults;
mod file_store;
mod foolscap;
mod helper;
mod interop;
mod introducer;
mod invitations;
mod large_tree;
mod logs;
mod mutable;
mod mutable_checks;
mod operator;
mod overlay;
mod placement;
mod status;
mod vdrive;
mod vdrive_bad_entries;
mod vdrive_servers;
mod vectors;
mod writers;

use tahoe_test_support::{Grid, Program, ShareFile};

fn ours() -> Program {
    Program::ours(env!("CARGO_BIN_EXE_tahoe"))
}

fn python() -> Program {
    Program::python()
}

/// All share files of a grid with the index of the server that holds each.
fn share_files(grid: &Grid) -> Vec<(usize, ShareFile)> {
    let servers = grid.servers.iter().enumerate();
    servers
        .flat_map(|(index, server)| server.shares().into_iter().map(move |share| (index, share)))
        .collect()
}
