//! The runtime with real components that break its rules.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod support;
