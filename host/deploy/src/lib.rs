//! Plans what components decide, and carries it out.
//!
//! A policy sees [`survey::Survey`]s of engines and answers with steps; [`plan::Plan`] checks them
//! and holds everything they need, so that a mistake is found before anything is changed;
//! [`execute`] runs steps in dependency order and [`apply`] makes one of them happen on an engine.
//! [`setup`] does the same for recipes and machines. [`checkup`] looks at hosts and changes nothing.
//! [`context`] packs folders that images are built of.
//!
//! This crate prints nothing: it tells what happens through events and results. It reads and writes only
//! the files that it is told to.

pub mod accounts;
pub mod apply;
pub mod bystanders;
pub mod checkup;
pub mod context;
pub mod drift;
pub mod ended_commands;
pub mod execute;
pub mod host;
pub mod labels;
pub mod lines;
mod login;
mod orphans;
pub mod plan;
pub mod preparation;
pub mod references;
pub mod request;
pub mod run;
pub mod setup;
pub mod shell;
pub mod survey;
pub mod temporary;
pub mod transfer;
mod unpack;
