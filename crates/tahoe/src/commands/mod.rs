//! The commands, a file for each.

pub(crate) mod add_alias;
pub(crate) mod admin;
pub(crate) mod backup;
pub(crate) mod check;
mod check_results;
pub(crate) mod cp;
pub(crate) mod create_alias;
pub(crate) mod create_client;
pub(crate) mod create_introducer;
pub(crate) mod create_node;
pub(crate) mod create_vdrive;
pub(crate) mod debug;
pub(crate) mod deep_check;
pub(crate) mod demo;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod invite;
mod join;
pub(crate) mod list_aliases;
pub(crate) mod ls;
pub(crate) mod manifest;
pub(crate) mod mkdir;
pub(crate) mod mv;
mod node_directory;
pub(crate) mod put;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod trash;
pub(crate) mod unlink;
pub(crate) mod webopen;

pub(crate) use node_directory::NodeDirectoryOption;
