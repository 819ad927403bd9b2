//! The number of a release, such as `4.1.5`. Manifests and known deviations compare releases by it.

/// The numbers of a release; the order is that of the releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Vec<u32>);

impl Release {
    /// A release such as `4.1.5`; nothing for a text with other parts than numbers.
    pub fn parse(text: &str) -> Option<Release> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>().map(Release)
    }
}
