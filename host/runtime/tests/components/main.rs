//! The runtime with real components that break its rules.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod grants;
#[cfg(test)]
#[path = "../../../../tests/src/guests.rs"]
#[expect(unreachable_pub, reason = "it is public where it is at home")]
mod guests;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod loading;
#[cfg(test)]
#[path = "../../../../tests/src/recorder.rs"]
#[expect(unreachable_pub, reason = "it is public where it is at home")]
mod recorder;
#[cfg(test)]
mod support;
