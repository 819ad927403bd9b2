//! `pghaspec explore`: the model in a browser, step by step.

use std::net::{Ipv4Addr, TcpListener};

use pghaspec_model::cluster::explorer::ReadableCluster;
use stateright::Model;

use super::settings;
use crate::cli::{Failure, bounds};

#[derive(clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1.
    #[arg(long, default_value_t = 3000, value_parser = bounds::whole(0, u16::MAX))]
    port: u16,
    #[command(flatten)]
    settings: settings::Options,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let settings = settings::settings(&args.settings)?;
    let address = (Ipv4Addr::LOCALHOST, args.port);
    if args.port == 0 {
        return Err(Failure::usage(
            "--port 0: the Explorer cannot tell which port it would get; help: name one, or leave --port out for 3000",
        ));
    }
    // The Explorer panics if it cannot have the port.
    if let Err(error) = TcpListener::bind(address) {
        return Err(Failure::environment(format!(
            "cannot serve on 127.0.0.1:{}: {error}; help: choose another with --port",
            args.port
        )));
    }
    eprintln!("the Explorer is at http://127.0.0.1:{}/ until Ctrl-C", args.port);
    ReadableCluster::new(settings).checker().serve(address);
    Ok(0)
}
