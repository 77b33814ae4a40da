//! Wrong command lines: the usage of the command in question and one line that says what is wrong.
//!
//! As the original, both go to standard output and the exit status is 1.

use crate::cli::Cli;
use crate::output::Output;
use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _};
use std::process::ExitCode;

/// Shows help that was asked for, or what is wrong with the arguments.
pub(crate) fn report_parse_error(error: &clap::Error, arguments: &[String]) -> ExitCode {
    let output = Output { quiet: false };
    if error.kind() == ErrorKind::DisplayHelp {
        let text = error.render().to_string();
        output.line(text.trim_end());
        return output.exit_code(0);
    }
    report(&message(error, arguments), arguments);
    output.exit_code(1)
}

/// Shows the usage of the command that the arguments name, and what is wrong.
pub(crate) fn report(message: &str, arguments: &[String]) {
    let program = arguments.first().map_or("tahoe", String::as_str);
    let help = named_command(arguments).render_help().to_string();
    Output { quiet: false }.line(&format!("{help}\n{program}:  {message}\n"));
}

/// What clap found wrong, in one line and without its own usage.
fn message(error: &clap::Error, arguments: &[String]) -> String {
    if let Some(name) = unknown_command(error) {
        return format!("Unknown command: {name}");
    }
    let version = |argument: &String| matches!(argument.as_str(), "--version" | "-V");
    if error.kind() == ErrorKind::UnknownArgument && arguments.iter().any(version) {
        return "--version stands before the command".to_owned();
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = text
        .find("\n\nUsage:")
        .or_else(|| text.find("\n\nFor more"));
    let text = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let text = text.replace("\n\n  tip:", "; tip:");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unknown_command(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let name = error.get(clap::error::ContextKind::InvalidSubcommand)?;
    Some(name.to_string())
}

/// The deepest command that the arguments name.
fn named_command(arguments: &[String]) -> Command {
    let mut command = Cli::command();
    command.build();
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        if let Some(found) = command.find_subcommand(argument) {
            command = found.clone();
        } else if takes_value(&command, argument) {
            arguments.next();
        }
    }
    command
}

/// Says whether an argument is an option whose value is the next argument.
fn takes_value(command: &Command, argument: &str) -> bool {
    let names = |option: &&clap::Arg| {
        let long = argument.strip_prefix("--").filter(|name| !name.is_empty());
        let short = argument
            .strip_prefix('-')
            .and_then(|rest| rest.chars().next());
        match long {
            Some(name) => option.get_long().is_some_and(|long| long.starts_with(name)),
            None => argument.chars().count() == 2 && option.get_short() == short,
        }
    };
    let option = command.get_arguments().find(names);
    option.is_some_and(|option| option.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        named_command(&arguments).get_name().to_owned()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn finds_the_command_whose_usage_helps() {
        assert_eq!(named(&["tahoe"]), "tahoe");
        assert_eq!(
            named(&["tahoe", "-q", "create-node", "--oops"]),
            "create-node"
        );
        assert_eq!(
            named(&["tahoe", "-d", "create-node", "create-client"]),
            "create-client"
        );
        assert_eq!(
            named(&["tahoe", "--node-dir", "admin", "nonsense"]),
            "tahoe"
        );
        assert_eq!(
            named(&["tahoe", "create-node", "-n", "create-node", "x"]),
            "create-node"
        );
    }
}
