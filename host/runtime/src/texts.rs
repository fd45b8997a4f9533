//! How large the names and other texts of a call may be, whatever they mean.

use crate::call_error::CallError;
use crate::effect::{Change, Filters, ImageSource, Inspect, Look, Transfer};
use crate::host_call::HostCall;
use crate::task::Selection;

/// How long one may be, in bytes.
const LIMIT: usize = 4096;
/// How many there may be.
const COUNT: usize = 1000;

/// # Errors
/// `invalid` where there are too many of them, or one is too long or has a control character but line
/// feed and tab.
pub(crate) fn check<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), CallError> {
    for (index, text) in texts.into_iter().enumerate() {
        let wrong = if index >= COUNT {
            format!("there are more than {COUNT} names in one call")
        } else if text.len() > LIMIT {
            let shown = crate::text::shown(text);
            format!("`{shown}` is longer than {LIMIT} bytes")
        } else if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
            let shown = crate::text::shown(text);
            format!("`{shown}` has a control character")
        } else {
            continue;
        };
        return Err(CallError::Invalid(wrong));
    }
    Ok(())
}

impl HostCall<'_> {
    /// The texts of it that the engine gets as they are. Others have a form of their own.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Inspect(Inspect::Container(name) | Inspect::Image(name))
            | Self::Look(Look::Container(name) | Look::Network(name) | Look::Volume(name)) => {
                vec![name]
            }
            Self::ListContainers(list) => of_filters(&list.filters),
            Self::ListImages(list) => of_filters(&list.filters),
            Self::ListNetworks(list) => of_filters(&list.filters),
            Self::ListVolumes(list) => of_filters(&list.filters),
            Self::Change(change) => match change {
                Change::StopContainer { container, .. }
                | Change::RemoveContainer { container, .. } => vec![container],
                Change::RemoveImage { image, .. }
                | Change::PullImage { image }
                | Change::PushImage { image } => vec![image],
                Change::TagImage { image, name } => vec![image, name],
                Change::RemoveNetwork { network } => vec![network],
                Change::RemoveVolume { volume } => vec![volume],
            },
            Self::Transfer(transfer) => match transfer {
                // Values of arguments stand in no message.
                Transfer::BuildImage { names, options, .. } => {
                    let arguments = options.arguments.iter().map(|(name, _)| name);
                    let others = options.dockerfile.iter().chain(&options.target);
                    names
                        .iter()
                        .chain(arguments)
                        .chain(others)
                        .map(String::as_str)
                        .collect()
                }
                Transfer::CopyFromContainer { files, .. } => of_selection(files),
                Transfer::CopyToContainer {
                    container, folder, ..
                } => vec![container, folder],
                Transfer::SaveImages { images, .. } => images.iter().map(String::as_str).collect(),
                Transfer::ImportImage {
                    source,
                    image,
                    changes,
                } => {
                    let mut texts = match source {
                        ImageSource::File(_) => Vec::new(),
                        ImageSource::Selection(files) => of_selection(files),
                        ImageSource::Image(image) => vec![image.as_str()],
                    };
                    texts.push(image);
                    texts.extend(changes.iter().map(String::as_str));
                    texts
                }
                Transfer::LoadImages { .. } => Vec::new(),
            },
            Self::RunInContainer(command) => {
                let user = command.user.as_deref();
                user.into_iter()
                    .chain([command.container.as_str()])
                    .collect()
            }
            Self::Free(_)
            | Self::ReadSetting(_)
            | Self::ReadVersion(_)
            | Self::ReadInfo(_)
            | Self::RawRequest(_)
            | Self::FindShell(_)
            | Self::RunCommand(_)
            | Self::RunAs(_)
            | Self::Upload(_)
            | Self::Download(_) => Vec::new(),
        }
    }
}

fn of_filters(filters: &Filters) -> Vec<&str> {
    let texts = filters.iter();
    texts
        .flat_map(|(name, value)| [name.as_str(), value.as_str()])
        .collect()
}

fn of_selection(files: &Selection) -> Vec<&str> {
    let parts = files.parts.iter();
    let parts = parts.flat_map(|part| [part.path.as_str(), part.target.as_str()]);
    let permissions = files.permissions.as_deref();
    parts
        .chain(permissions)
        .chain([files.container.as_str()])
        .collect()
}
