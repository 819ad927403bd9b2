//! The coming up of a cluster, and the signs that it never will, since the agent is not as its manifest says.
//!
//! A cluster may take long on a busy machine. So each sign is something that an agent's start does not show, or not for
//! as long as this, however slow it is; and time in which the lab itself did not look does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use etcd_client::{Client, GetOptions};
use pghaspec_model::vocabulary::event::{Process, ServerState};
use tokio::time::Instant;

use crate::lab::error::LabError;
use crate::lab::testbed::Testbed;
use crate::lab::wait::Seen;
use crate::observe::view::{Healthy, NodeView, View};
use crate::untrusted::escape;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The time that one look may add to how long a sign has lasted.
const MOST: Duration = Duration::from_secs(1);
/// The time that a request to etcd may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The time for which a node may be without an agent, nanoseconds: one that makes a cluster by a command of its own
/// runs another one after that.
const GONE: u64 = 2_000_000_000;
/// Most processes or keys that are told of.
const TOLD: usize = 8;

/// A sign that a cluster will never come up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// Postgres at the node answers, and refuses the lab's login.
    LoginRefused { node: String, words: String, leads: bool },
    /// A postmaster lives at the node, and nothing listens at its port.
    NothingListens { node: String, postmaster: u32 },
    /// A primary serves at the node, and nobody holds the leader key.
    NoKey { node: String },
    /// The leader key names nobody that there is.
    StrangeHolder { holder: String },
    /// No process was seen at the node that the manifest's pattern finds. Postgres may run there.
    NoAgent { node: String },
}

impl Sign {
    /// The time after which it is certain.
    fn limit(&self) -> Duration {
        Duration::from_secs(match self {
            // Its agent says that it is up.
            Sign::LoginRefused { leads: true, .. } => 5,
            // A server may listen for a moment before the password is set.
            Sign::LoginRefused { leads: false, .. } => 15,
            // A postmaster listens before it recovers. One that listens to nobody while an agent makes a cluster is
            // another process soon.
            Sign::NothingListens { .. } => 15,
            // An agent may take the key in its next cycle only.
            Sign::NoKey { .. } => 20,
            Sign::StrangeHolder { .. } => 5,
            // The image or the command may do something else before it starts the agent, such as making a cluster.
            Sign::NoAgent { .. } => 20,
        })
    }
}

/// The signs at this moment.
fn signs(view: &View) -> BTreeSet<Sign> {
    let mut signs = BTreeSet::new();
    for (name, node) in view.nodes.iter().filter(|(_, node)| !node.container_ended) {
        let state = node.finding.map(|finding| finding.state);
        if let Some(words) = &node.login_refused {
            let (node, leads) = (name.clone(), view.leader.as_ref() == Some(name));
            signs.insert(Sign::LoginRefused { node, words: words.clone(), leads });
        }
        let postmaster = node.processes.iter().find(|(_, what)| **what == Process::Postmaster).map(|(pid, _)| *pid);
        if let (Some(postmaster), Some(ServerState::Refused)) = (postmaster, state) {
            signs.insert(Sign::NothingListens { node: name.clone(), postmaster });
        }
        if state == Some(ServerState::Primary) && view.leader.is_none() {
            signs.insert(Sign::NoKey { node: name.clone() });
        }
        if !has_agent(node) {
            signs.insert(Sign::NoAgent { node: name.clone() });
        }
    }
    if let Some(holder) = view.leader.as_ref().filter(|holder| !view.nodes.contains_key(*holder)) {
        signs.insert(Sign::StrangeHolder { holder: holder.clone() });
    }
    signs
}

/// An agent's process was seen at the node.
fn has_agent(node: &NodeView) -> bool {
    node.processes.values().any(|what| *what == Process::Agent)
        || node.exits.iter().any(|(what, ..)| *what == Process::Agent)
}

/// The time for which each sign has lasted.
#[derive(Default)]
struct Lasting(BTreeMap<Sign, Duration>);

impl Lasting {
    /// Takes in the signs at the end of a time in which the lab looked; returns one that is certain now.
    fn take(&mut self, now: BTreeSet<Sign>, passed: Duration) -> Option<Sign> {
        self.0.retain(|sign, _| now.contains(sign));
        for sign in now {
            self.0.entry(sign).and_modify(|lasted| *lasted += passed.min(MOST)).or_default();
        }
        self.0.iter().find(|(sign, lasted)| **lasted >= sign.limit()).map(|(sign, _)| sign.clone())
    }
}

/// Looks whether a cluster is up that just was started. An agent or a container that has ended by now will not come
/// back.
fn up(view: &View) -> Seen<Healthy> {
    for (name, node) in &view.nodes {
        if node.container_ended {
            return Seen::Never(format!("the container of {name} has ended"));
        }
        let seen_at = view.nodes.values().map(|node| node.probed_at).max().unwrap_or(0);
        if node.agent_gone_at.is_some_and(|gone| seen_at > gone + GONE) {
            return Seen::Never(format!("the agent of {name} has ended"));
        }
    }
    view.healthy().into()
}

/// Waits until a cluster is up that just was started, and each of its agents was seen.
///
/// # Errors
/// A container or an agent has ended, with its last lines; the agent is not as its manifest says
/// ([`Trouble::Manifest`](crate::lab::Trouble)); or the cluster is not up within `limit`.
pub async fn come_up(bed: &Testbed<'_>, etcd: Option<Client>, limit: Duration) -> Result<Healthy, LabError> {
    let coming = async {
        let healthy = match bed.until("the cluster to come up", limit, up).await {
            Ok(healthy) => healthy,
            Err(error) => return Err(ended(bed, error).await),
        };
        let without = |view: &View| -> Vec<String> {
            view.nodes.iter().filter(|(_, node)| !has_agent(node)).map(|(name, _)| name.clone()).collect()
        };
        let blind = without(&bed.recorder.view().borrow());
        for node in blind {
            if !is_misnamed(bed, &node).await {
                continue;
            }
            // It was, a moment ago; the sign of that becomes certain otherwise.
            bed.until(&format!("the agent of {node} to be seen"), limit, |view| match without(view).contains(&node) {
                true => Seen::NotYet("no process of it".to_owned()),
                false => Seen::Yes(()),
            })
            .await?;
        }
        Ok(healthy)
    };
    tokio::select! {
        biased;
        healthy = coming => healthy,
        sign = certain(bed) => Err(told(bed, &sign, etcd).await),
    }
}

/// Waits for a sign that is certain.
async fn certain(bed: &Testbed<'_>) -> Sign {
    let (view, mut lasting, mut excused) = (bed.recorder.view(), Lasting::default(), BTreeSet::new());
    let mut before = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let mut signs = signs(&view.borrow());
        signs.retain(|sign| !matches!(sign, Sign::NoAgent { node } if excused.contains(node)));
        match lasting.take(signs, now - before) {
            Some(Sign::NoAgent { node }) if !is_misnamed(bed, &node).await => {
                excused.insert(node);
            }
            Some(sign) => return sign,
            None => {}
        }
        before = now;
    }
}

/// Says whether certainly no process of a node is the agent's, by the manifest. One whose program has another name than
/// those that the observer reports is there all the same.
async fn is_misnamed(bed: &Testbed<'_>, node: &str) -> bool {
    match bed.sandbox.command_lines(&bed.sandbox.name(node)).await {
        Some(lines) => !lines.iter().any(|line| bed.manifest.agent_process.is_match(line)),
        None => false,
    }
}

/// A wait that was in vain since something has ended, with how it ended.
async fn ended(bed: &Testbed<'_>, error: LabError) -> LabError {
    let nodes = bed.scenario.node_names();
    for node in &nodes {
        if let Some(end) = bed.sandbox.end_of(&bed.sandbox.name(node)).await {
            return LabError { message: format!("the container of {node} has ended {end}"), ..error };
        }
    }
    for node in &nodes {
        let has_ended = |view: &View| {
            view.nodes.get(node).is_some_and(|node| node.exits.iter().any(|(what, ..)| *what == Process::Agent))
        };
        if has_ended(&bed.recorder.view().borrow()) {
            let lines = bed.sandbox.last_lines(&bed.sandbox.name(node)).await.join("\n  ");
            return LabError { message: format!("{}; the last lines of {node}:\n  {lines}", error.message), ..error };
        }
    }
    error
}

/// The error that a sign stands for.
async fn told(bed: &Testbed<'_>, sign: &Sign, etcd: Option<Client>) -> LabError {
    let manifest = bed.manifest;
    let mend = |key: &str, what: &str| format!("mend `{key}` in the manifest of {}: {what}", manifest.name);
    match sign {
        Sign::LoginRefused { node, words, .. } => LabError::manifest(
            format!("Postgres at {node} refuses the login as `{}`: {words}", manifest.credentials.user),
            mend("[credentials]", "a superuser that may log in from the lab's network"),
        ),
        Sign::NothingListens { node, .. } => LabError::manifest(
            format!("Postgres runs at {node}, but nothing listens at port {} there", manifest.ports.postgres),
            mend("[ports] postgres", "the port of Postgres, on all addresses of the node"),
        ),
        Sign::NoKey { node } => {
            let Some((key, etcd)) = manifest.leader_observer.etcd_key().zip(etcd) else {
                let observer = manifest.leader_observer.id();
                return LabError::manifest(
                    format!("{node} is a primary, but nobody leads by the observer `{observer}`"),
                    mend("[leadership]", "it has to tell the leader by the `{{name}}` of its node"),
                );
            };
            LabError::manifest(
                format!(
                    "{node} is a primary, but nobody holds the leader key `{key}`; keys in etcd: {}",
                    keys(etcd).await
                ),
                mend("leader_key", "the key whose value is the name of the leading node, which the agent has to take"),
            )
        }
        Sign::StrangeHolder { holder } => match manifest.leader_observer.etcd_key() {
            Some(key) => LabError::manifest(
                format!("the leader key `{key}` holds `{}`, which is the name of no node", plain(holder)),
                mend("leader_key", "its value has to be the `{{name}}` of the node that leads"),
            ),
            None => LabError::manifest(
                format!("by [leadership] `{}` leads, which is the name of no node", plain(holder)),
                mend("[leadership]", "it has to tell the `{{name}}` of the node that leads"),
            ),
        },
        Sign::NoAgent { node } => {
            let container = bed.sandbox.name(node);
            let lines = bed.sandbox.command_lines(&container).await.unwrap_or_default();
            let said = bed.sandbox.last_lines(&container).await;
            let said = if said.is_empty() { "nothing".to_owned() } else { format!("\n  {}", said.join("\n  ")) };
            LabError::manifest(
                format!(
                    "no process of {node} is the agent: none matches `{}`; there are: {}; it wrote: {said}",
                    manifest.agent_process,
                    some_of(lines.iter().map(|line| plain(line)))
                ),
                mend("[processes] agent", "the agent's command line; or let the image start the agent"),
            )
        }
    }
}

/// The keys of etcd, without the lab's own.
async fn keys(mut etcd: Client) -> String {
    let all = etcd.get("", Some(GetOptions::new().with_all_keys().with_keys_only()));
    match tokio::time::timeout(LIMIT, all).await {
        Ok(Ok(all)) => {
            let keys = all.kvs().iter().map(|kv| String::from_utf8_lossy(kv.key()).into_owned());
            some_of(keys.filter(|key| key != crate::observe::leaders::etcd::TICK_KEY).map(|key| plain(&key)))
        }
        Ok(Err(error)) => format!("not known ({error})"),
        Err(_) => "not known (no answer in time)".to_owned(),
    }
}

/// Some of many, as a list.
fn some_of(all: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = all.collect();
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    match (all.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => all.join(", "),
        (false, _) => format!("{}, and {more} more", all.join(", ")),
    }
}

/// Words of a node without control characters, and not many of them.
fn plain(words: &str) -> String {
    escape::terminal(&words.chars().take(160).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::view::Finding;

    fn view() -> View {
        View::of(&["n1".to_owned(), "n2".to_owned()])
    }

    fn node(view: &mut View) -> &mut NodeView {
        view.nodes.get_mut("n1").unwrap()
    }

    fn certain_after(view: &View, seconds: u64) -> Option<Sign> {
        let mut lasting = Lasting::default();
        let mut certain = None;
        for _ in 0..=seconds {
            certain = certain.or(lasting.take(signs(view), Duration::from_secs(1)));
        }
        certain
    }

    /// A view in which nothing is wrong but what a test adds.
    fn fine() -> View {
        let mut view = view();
        for node in view.nodes.values_mut() {
            node.processes.insert(10, Process::Agent);
        }
        view
    }

    #[test]
    fn an_agent_that_starts_slowly_gives_no_sign() {
        let mut view = fine();
        assert_eq!(certain_after(&view, 80), None);
        node(&mut view).processes.insert(11, Process::Postmaster);
        node(&mut view).finding = Some(Finding::only(ServerState::Starting));
        assert_eq!(certain_after(&view, 80), None);
        // Prepared clusters begin with a leader key, and without a server.
        view.leader = Some("n1".to_owned());
        node(&mut view).processes.remove(&11);
        node(&mut view).finding = Some(Finding::only(ServerState::Refused));
        assert_eq!(certain_after(&view, 80), None);
        node(&mut view).container_ended = true;
        assert_eq!(certain_after(&view, 80), None);
    }

    #[test]
    fn a_login_that_is_refused_for_long_is_a_wrong_password() {
        let mut view = fine();
        node(&mut view).login_refused = Some("28P01".to_owned());
        assert_eq!(certain_after(&view, 14), None);
        assert!(matches!(certain_after(&view, 15), Some(Sign::LoginRefused { leads: false, .. })));
        view.leader = Some("n1".to_owned());
        assert!(matches!(certain_after(&view, 5), Some(Sign::LoginRefused { leads: true, .. })));
    }

    #[test]
    fn a_postmaster_that_nobody_can_reach_listens_elsewhere() {
        let mut view = fine();
        node(&mut view).processes.insert(11, Process::Postmaster);
        node(&mut view).finding = Some(Finding::only(ServerState::Refused));
        assert_eq!(certain_after(&view, 14), None);
        assert!(matches!(certain_after(&view, 15), Some(Sign::NothingListens { postmaster: 11, .. })));
    }

    #[test]
    fn a_primary_without_a_key_and_a_key_that_names_nobody_are_signs() {
        let mut view = fine();
        node(&mut view).finding = Some(Finding::only(ServerState::Primary));
        assert_eq!(certain_after(&view, 19), None);
        assert!(matches!(certain_after(&view, 20), Some(Sign::NoKey { .. })));
        view.leader = Some("n1".to_owned());
        assert_eq!(certain_after(&view, 80), None);
        view.leader = Some(r#"{"name":"n1"}"#.to_owned());
        assert!(matches!(certain_after(&view, 5), Some(Sign::StrangeHolder { .. })));
    }

    #[test]
    fn a_node_without_an_agent_is_a_sign() {
        let mut view = fine();
        node(&mut view).processes.clear();
        assert_eq!(certain_after(&view, 19), None);
        assert!(matches!(certain_after(&view, 20), Some(Sign::NoAgent { .. })));
    }

    #[test]
    fn time_in_which_the_lab_did_not_look_does_not_count() {
        let mut view = fine();
        node(&mut view).login_refused = Some("28P01".to_owned());
        let mut lasting = Lasting::default();
        assert_eq!(lasting.take(signs(&view), LOOK), None);
        assert_eq!(lasting.take(signs(&view), Duration::from_secs(600)), None);
        // A sign that was gone for a moment begins anew.
        lasting.take(signs(&fine()), LOOK);
        assert_eq!(lasting.take(signs(&view), LOOK), None);
        assert_eq!(lasting.0.values().max(), Some(&Duration::ZERO));
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(some_of(std::iter::empty()), "none");
        assert_eq!(some_of((0..2).map(|one| one.to_string())), "0, 1");
        assert!(some_of((0..20).map(|one| one.to_string())).ends_with("7, and 12 more"));
    }
}
