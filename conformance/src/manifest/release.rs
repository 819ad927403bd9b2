//! The number of a release, such as `4.1.5`. Manifests and known deviations compare releases by it.

use std::path::Path;

use toml::Spanned;

use crate::input::InputError;

/// The numbers of a release; the order is that of the releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Vec<u32>);

impl Release {
    /// A release such as `4.1.5`; nothing for a text with other parts than numbers.
    pub fn parse(text: &str) -> Option<Release> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>().map(Release)
    }
}

/// The release that a manifest names at `key`.
///
/// # Errors
/// The text there is no release.
pub fn of(file: &Path, text: &str, key: &str, written: &Spanned<String>) -> Result<Release, InputError> {
    Release::parse(written.get_ref()).ok_or_else(|| {
        InputError::of_file(file, format!("`{}` is no release", written.get_ref()), "write numbers and dots: 3.0.0")
            .at_key(key)
            .at_span(text, written.span())
    })
}
