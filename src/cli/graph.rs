//! `kompox graph`

use std::collections::HashMap;
use std::path::PathBuf;

use clap::ValueEnum;

use super::error::{CliError, Exit};
use super::flow::offline::offline;
use super::global::Global;
use super::ui::Ui;
use crate::engine::address::Address;
use crate::engine::graph::Graph;
use crate::engine::planfile;
use crate::report::graph::{GraphView, Node, dot, mermaid};
use crate::report::html;
use crate::resources::expand::Keep;

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Graphviz
    Dot,
    /// Mermaid, as GitHub shows it
    Mermaid,
    /// A picture
    Svg,
    /// A page for a browser, one file that needs no network
    Html,
}

/// Arguments of `graph`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Arrows point to what comes later.\n\nExamples:\n  kompox graph | dot -Tsvg > graph.svg\n  kompox graph --format mermaid --plan p.kplan\n  kompox graph --format html > graph.html"
)]
pub struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
    /// The actions of a saved plan instead of all objects
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// Runs `graph`: reads local files only.
pub fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    if global.json {
        return Err(CliError::new("usage", "graph prints no JSON: leave --json out, and say how with --format").help(
            "what is done, and in which order, is in the JSON of plan --json, or of show --json with a saved plan",
        ));
    }
    let view = match &args.plan {
        Some(file) => GraphView::of_plan(&planfile::read(&global.cwd()?.join(file))?.plan),
        None => {
            let (expanded, findings) = offline(global, Keep::Graph)?;
            ui.findings(&findings);
            of_graph(&expanded.graph)
        }
    };
    ui.data(|out| match args.format {
        Format::Dot => dot(out, &view),
        Format::Mermaid => mermaid(out, &view),
        Format::Svg => out.write_all(html::svg(&view).as_bytes()),
        Format::Html => out.write_all(html::graph(&view).as_bytes()),
    })?;
    Ok(Exit::Done)
}

fn of_graph(graph: &Graph) -> GraphView {
    let numbers: HashMap<&Address, usize> =
        graph.iter().enumerate().map(|(number, node)| (&node.address, number)).collect();
    let nodes = graph.iter().map(|node| Node {
        address: node.address.clone(),
        label: node.address.short().to_owned(),
        action: None,
    });
    let edges = graph.iter().flat_map(|node| {
        let number = numbers.get(&node.address).copied();
        graph.dependencies(&node.address).into_iter().filter_map({
            let numbers = &numbers;
            move |need| Some((*numbers.get(need)?, number?))
        })
    });
    GraphView { nodes: nodes.collect(), edges: edges.collect() }
}
