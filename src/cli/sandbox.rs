//! `kompox sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::error::{CliError, Exit};
use super::flow::manifests::{sandbox_path, sandbox_state};
use super::global::Global;
use super::signal;
use super::ui::Ui;
use crate::kom::layout::{Layout, discover};
use crate::report::table::Table;
use kompox_sandbox::{self as sandbox, Config, FaultRule, KubeconfigRule, Latency, Sandbox};

/// What to do with the embedded cloud.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run it alone, until interrupted
    Serve(Serve),
    /// List everything that exists in it
    #[command(after_help = "Examples:\n  kompox sandbox inspect\n  kompox sandbox inspect --json")]
    Inspect {
        /// Where its world is [default: .kompox/sandbox of the project]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Remove its world, and the state that knows it
    #[command(after_help = "Nothing outside of the sandbox is touched.\n\nExample:\n  kompox sandbox reset")]
    Reset,
}

/// Arguments of `sandbox serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Faults:  <type>.<verb>:<what>[@probability][,seed=N][,after=N][,times=N][,retry-after=S]\n\
what is 429, 500, 503, 409, 403, 401, reset-before, reset-after, truncate, fail, quota, nonsense or latency=MS.\n\n\
A real cluster:  its API server stands for that of managed clusters, its nodes for those of agent pools in their zones.\n\
Its CSI driver must be there under the name disk.csi.azure.com; what is on disks is made by --disks PROGRAM, called as\n\
  PROGRAM make ID ZONE GIB [FROM]   a disk or snapshot, empty or a copy of FROM as it is now; ZONE is like eastus-1, or -\n\
  PROGRAM remove ID\n\n\
Examples:\n  kompox sandbox serve\n  kompox sandbox serve --listen 127.0.0.1:8600 --fault 'disks.put:429@0.3,seed=7'\n  \
kompox sandbox serve --kubeconfig ~/.kube/config --disks ./disks")]
pub struct Serve {
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8600")]
    listen: SocketAddr,
    /// Where its world is [default: .kompox/sandbox of the project]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A fault to meet out; repeatable
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<FaultRule>,
    /// Milliseconds that each read takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    read_latency: u64,
    /// Milliseconds that each write takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    write_latency: u64,
    /// Milliseconds that a long-running operation takes
    #[arg(long, value_name = "MS", default_value_t = 50)]
    operation_delay: u64,
    /// Milliseconds until a workload, claim or load balancer is ready
    #[arg(long, value_name = "MS", default_value_t = 100)]
    readiness_delay: u64,
    /// Let a real cluster on this machine be the Kubernetes of its managed clusters, or of the one that is named; repeatable
    #[arg(long = "kubeconfig", value_name = "[CLUSTER=]FILE")]
    kubeconfigs: Vec<KubeconfigRule>,
    /// A program that makes what is on disks for a real cluster's CSI driver
    #[arg(long, value_name = "PROGRAM", requires = "kubeconfigs")]
    disks: Option<PathBuf>,
    /// Demand the world's token of processes of your own, too
    #[arg(long)]
    require_token: bool,
    /// Seed of faults that name none
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn layout(global: &Global) -> Result<Layout, CliError> {
    Ok(discover(&global.layout_request()?)?)
}

fn data(given: Option<&PathBuf>, global: &Global) -> Result<PathBuf, CliError> {
    match given {
        Some(path) => Ok(global.cwd()?.join(path)),
        None => Ok(sandbox_path(&layout(global)?)),
    }
}

/// Runs a `sandbox` command.
pub async fn run(command: &Command, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::Serve(args) => serve(args, global, ui).await,
        Command::Inspect { data: given } => {
            let objects = sandbox::inspect(&data(given.as_ref(), global)?)?;
            if ui.json {
                ui.document(&objects.into())?;
                return Ok(Exit::Done);
            }
            let mut table = Table::new(["KIND", "ID"]);
            for object in &objects {
                let text = |key: &str| object.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
                table.row([text("kind") + &text("type"), text("id")]);
            }
            ui.table(&table)?;
            Ok(Exit::Done)
        }
        Command::Reset => reset(global, ui),
    }
}

async fn serve(args: &Serve, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let millis = Duration::from_millis;
    let mut config = Config::new(data(args.data.as_ref(), global)?);
    config.faults.clone_from(&args.faults);
    config.latency = Latency { read: millis(args.read_latency), write: millis(args.write_latency) };
    config.operation_delay = millis(args.operation_delay);
    config.readiness_delay = millis(args.readiness_delay);
    config.seed = args.seed;
    config.token_required = args.require_token;
    let token = config.data.join("token");
    let sandbox = if args.kubeconfigs.is_empty() {
        Sandbox::start(config, args.listen).await?
    } else {
        let here = global.cwd()?;
        let at = |file: &PathBuf| here.join(file);
        let rule = |rule: &KubeconfigRule| KubeconfigRule { cluster: rule.cluster.clone(), file: at(&rule.file) };
        let rules: Vec<KubeconfigRule> = args.kubeconfigs.iter().map(rule).collect();
        Sandbox::start_on(config, args.listen, &rules, args.disks.as_ref().map(at).as_deref()).await?
    };
    ui.data(|out| writeln!(out, "{}", sandbox.endpoint()))?;
    ui.say(|err| {
        let place = ui.commands().place;
        writeln!(err, "Use it:  kompox{place} --sandbox --sandbox-endpoint {} plan", sandbox.endpoint())?;
        writeln!(err, "Other users of this machine need the token in {} (KOMPOX_SANDBOX_TOKEN).", token.display())
    });
    let mut cancel = signal::on_interrupt();
    cancel.raised().await;
    sandbox.stop().await;
    Ok(Exit::Done)
}

fn reset(global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let layout = layout(global)?;
    let world = sandbox_path(&layout);
    sandbox::reset(&world)?;
    kompox_state::remove(&sandbox_state(&layout)?)?;
    ui.say(|err| writeln!(err, "The sandbox at {} is empty, and its state is gone.", world.display()));
    Ok(Exit::Done)
}
