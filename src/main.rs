//! `meshc`: compiles routing policy to Cilium and Envoy resources.

#![forbid(unsafe_code)]

mod cli;
mod command;
mod config;
mod difference;
mod earlier;
mod exit;
mod input;
mod output;
mod pages;
mod render;
mod report;
mod snapshot;

use clap::Parser;
use exit::Exit;

fn main() -> Exit {
    match cli::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => exit::of_usage(&error),
    }
}
