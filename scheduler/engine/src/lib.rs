//! The state machine of the whole system: [`Engine::step`] takes an event and gives back effects. It reads no clock,
//! does no input or output and never acts by itself; the daemon commits what a step changed and only then carries out
//! its effects, whose results come back as events. The [`sim`] module runs the same `step` on a simulated world.

mod admission;
mod approval;
mod arrangement;
mod budget;
mod course;
mod engine;
mod event;
mod jobs;
mod lifecycle;
mod outlook;
mod placement;
mod precedence;
mod recurring;
mod replay;
mod room;
mod rounds;
mod settle;
mod share;
pub mod sim;
mod stands;
mod sweep;
mod turns;
mod views;
mod what_if;

pub use approval::APPROVED_GROWTH;
pub use budget::BudgetStatus;
pub use engine::{Engine, Refusal};
pub use event::{Effect, Event, Leave, Saying, Settings, UserAction, World};
pub use precedence::{PATIENCE, PRESSED, Precedence};
pub use replay::{DAYS_READ_BACK, Replay};
