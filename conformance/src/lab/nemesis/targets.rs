//! The nodes that a step's target names at a moment.

use crate::observe::view::View;
use crate::scenario::Target;

/// The steps so far, as later steps refer to them. Times are nanoseconds of the run.
pub struct Roles {
    /// The nodes that the first step hit that hit any.
    pub first_hit: Vec<String>,
    /// The beginning of the step before.
    pub since: u64,
    /// The time by which the step before had taken effect.
    pub effect_at: u64,
}

/// The nodes that a target names now; none for the DCS and for the remote primary.
///
/// # Errors
/// The node that there is not yet, in words.
pub fn find(target: Target, view: &View, roles: &Roles) -> Result<Vec<String>, String> {
    let names = || view.nodes.keys();
    let leader = view.leader.as_ref();
    let hit = |name: &&String| roles.first_hit.contains(*name);
    let one = |found: Option<&String>, who: &str| match found {
        Some(name) => Ok(vec![name.clone()]),
        None => Err(format!("there is no {who}")),
    };
    match target {
        Target::Etcd | Target::Remote => Ok(Vec::new()),
        Target::All => Ok(names().cloned().collect()),
        Target::Leader => one(leader.filter(|name| view.nodes.contains_key(*name)), "leader"),
        Target::NewLeader => one(leader.filter(|name| !hit(name)), "other leader"),
        Target::FirstHit => one(roles.first_hit.first(), "node that was hit"),
        Target::Other => one(names().find(|name| !hit(name)), "other node"),
        Target::Standby => one(names().find(|name| !hit(name) && Some(*name) != leader), "standby"),
        Target::Others => Ok(names().filter(|name| !hit(name)).cloned().collect()),
        Target::Standbys => match leader {
            Some(leader) => Ok(names().filter(|name| *name != leader).cloned().collect()),
            None => Err("there is no leader, so nobody is its standby".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_by_what_nodes_are() {
        let mut view = View::of(&["n1", "n2", "n3"].map(str::to_owned));
        let nobody = Roles { first_hit: Vec::new(), since: 0, effect_at: 0 };
        let hit = Roles { first_hit: vec!["n2".to_owned()], since: 0, effect_at: 0 };
        assert!(find(Target::Leader, &view, &nobody).is_err());
        assert!(find(Target::Standbys, &view, &nobody).is_err());
        view.leader = Some("n2".to_owned());
        assert_eq!(find(Target::Leader, &view, &nobody).unwrap(), ["n2"]);
        assert_eq!(find(Target::Standbys, &view, &nobody).unwrap(), ["n1", "n3"]);
        assert!(find(Target::NewLeader, &view, &hit).is_err());
        view.leader = Some("n1".to_owned());
        assert_eq!(find(Target::NewLeader, &view, &hit).unwrap(), ["n1"]);
        assert_eq!(find(Target::FirstHit, &view, &hit).unwrap(), ["n2"]);
        assert_eq!(find(Target::Standby, &view, &hit).unwrap(), ["n3"]);
        assert_eq!(find(Target::Others, &view, &hit).unwrap(), ["n1", "n3"]);
        assert_eq!(find(Target::Etcd, &view, &hit).unwrap(), [""; 0]);
    }
}
