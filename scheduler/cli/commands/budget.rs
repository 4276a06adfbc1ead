//! `lowtide budget list|show`: carbon budgets as they stand.

use lowtide_api::v1::budget::{BudgetView, Budgets};

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Print `{"budgets": […]}` instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Its name
    name: String,

    /// Print the budget as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn list(args: &ListArgs, context: &Context) -> Result<(), Failure> {
    let budgets = ask(context).await?;
    let printer = context.printer;
    if args.json {
        return printer.json(&budgets);
    }
    if budgets.budgets.is_empty() {
        printer.note("No budgets are configured");
        printer.hint("`[[budgets]]` in the configuration makes one: a name, `grams` or `kg`, and a `period`");
        return Ok(());
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    printer.data(&output::budget::table(&budgets.budgets, &context.clock(now), context.look()))
}

pub(crate) async fn show(args: &ShowArgs, context: &Context) -> Result<(), Failure> {
    let Budgets { budgets } = ask(context).await?;
    let known: Vec<String> = budgets.iter().map(|budget| format!("`{}`", budget.name)).collect();
    let Some(budget) = budgets.into_iter().find(|budget: &BudgetView| budget.name == args.name) else {
        let hint = if known.is_empty() {
            "no budgets are configured: `[[budgets]]` in the configuration makes one".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        return Err(Failure::new(Kind::NotFound, format!("there is no budget `{}`", args.name)).hint(hint));
    };
    if args.json {
        return context.printer.json(&budget);
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::budget::text(&budget, &context.clock(now), context.look()))
}

async fn ask(context: &Context) -> Result<Budgets, Failure> {
    context.ask_or_start(async |client| client.budgets().await).await
}
