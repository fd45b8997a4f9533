//! Plans what components decide, and carries it out.
//!
//! A policy sees [`survey::Survey`]s of engines and answers with steps; [`plan::Plan`] checks them
//! and holds everything they need, so that a mistake is found before anything is changed;
//! [`execute`] runs steps in dependency order and [`apply`] makes one of them happen on an engine.
//! [`setup`] does the same for recipes and machines.
//!
//! This crate prints nothing and reads no file: it tells what happens through events and results.

pub mod accounts;
pub mod apply;
pub mod drift;
pub mod execute;
pub mod host;
pub mod plan;
pub mod request;
pub mod run;
pub mod setup;
pub mod shell;
pub mod survey;
