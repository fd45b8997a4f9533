//! The runtime with real components that break its rules.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod grants;
#[cfg(test)]
#[path = "../../../../tests/src/guests.rs"]
mod guests;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod support;
