//! `meshc`: compiles routing policy to Cilium and Envoy resources.

mod cli;
mod command;
mod config;
mod exit;
mod input;
mod output;
mod pages;
mod render;

use clap::Parser;
use exit::Exit;

fn main() -> Exit {
    match cli::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => exit::of_usage(&error),
    }
}
