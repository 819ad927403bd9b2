//! The observer of leadership, and the right by which the leader leads. The observer stays the lab's: a manifest says
//! whom to ask, and no answer says that anything is well.

use pghaspec_model::vocabulary::event::{Leadership, Source as Observer};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Service;
use crate::input::{InputError, Source, shown, unknown};
use crate::manifest::template::render;
use crate::manifest::values::words;

/// The variable of a query that stands for the last row that was seen.
pub const AFTER: &str = "after";

/// An observer of leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderObserver {
    /// A key in etcd, whose value is the leader's name; may hold `{{scope}}`.
    EtcdKey(String),
    /// Rows of a table that only grows, in the Postgres of a service.
    Sql(Sql),
    /// The lines that a service writes: each is the leader's name, or `-` for nobody.
    Service(String),
    /// Nobody: the leader is the only node that is found to be a primary.
    None,
}

/// A query about the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// The service that is asked.
    pub at: String,
    /// The port of its Postgres.
    pub port: u16,
    /// The user who asks.
    pub user: String,
    /// The password; empty if none is asked for.
    pub password: String,
    /// The database.
    pub dbname: String,
    /// Returns rows of three columns, in order: a growing number, a node's name, and whether that node may be writable
    /// from then on. `{{after}}` in it is the number of the last row that was seen.
    pub query: String,
}

/// The table `[leadership]`, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Leadership")]
pub struct TomlLeadership {
    /// The observer of leadership: `etcd-key` (the default) by `leader_key`, `sql` by a query, `service` by the lines
    /// that a service writes, `none` by the probes of the lab alone.
    observer: Word,
    /// The service that is asked, or that tells.
    #[schemars(length(min = 1), example = &"monitor")]
    at: Option<String>,
    /// Of `sql`: the port of its Postgres, 5432 if none is named.
    #[schemars(range(min = 1, max = 65535), example = 5432)]
    port: Option<u16>,
    /// Of `sql`: the user who asks.
    #[schemars(length(min = 1), example = &"observer")]
    user: Option<String>,
    /// Of `sql`: the password, if one is asked for.
    #[schemars(example = &"secret")]
    password: Option<String>,
    /// Of `sql`: the database.
    #[schemars(length(min = 1), example = &"postgres")]
    dbname: Option<String>,
    /// Of `sql`: returns rows of three columns, in order: a number that grows, a node's name, and whether that node may
    /// be writable from then on. `{{after}}` is the number of the last row that was seen.
    #[schemars(length(min = 1), example = &"SELECT id, node, leads FROM events WHERE id > {{after}} ORDER BY id")]
    query: Option<String>,
    /// The right by which the leader leads: `lease`, which ends by itself, or `assignment`, which is taken away. An
    /// `etcd-key` is a lease, and the others are assignments, unless this says otherwise.
    semantics: Option<Semantics>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LeaderObserver")]
enum Word {
    EtcdKey,
    Sql,
    Service,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Semantics {
    Lease,
    Assignment,
}

impl LeaderObserver {
    /// The key in etcd, if it is one; may hold `{{scope}}`.
    pub fn etcd_key(&self) -> Option<&str> {
        match self {
            LeaderObserver::EtcdKey(key) => Some(key),
            _ => None,
        }
    }

    /// The source of the events that it records.
    pub fn source(&self) -> Observer {
        match self {
            LeaderObserver::EtcdKey(_) => Observer::Etcd,
            _ => Observer::Authority,
        }
    }

    /// Its word in manifests.
    pub fn id(&self) -> &'static str {
        match self {
            LeaderObserver::EtcdKey(_) => "etcd-key",
            LeaderObserver::Sql(_) => "sql",
            LeaderObserver::Service(_) => "service",
            LeaderObserver::None => "none",
        }
    }

    /// As it is written, with the semantics; `None` for an etcd key, which `leader_key` names.
    ///
    /// # Errors
    /// The first value that cannot be, with its key, its line and a remedy.
    pub(in crate::manifest) fn of(
        source: Source<'_>,
        toml: TomlLeadership,
        services: &[Service],
    ) -> Result<(Option<LeaderObserver>, Leadership), InputError> {
        let TomlLeadership { observer, at, port, user, password, dbname, query, semantics } = toml;
        let own: [(&str, bool, &[Word]); 6] = [
            ("at", at.is_some(), &[Word::Sql, Word::Service]),
            ("port", port.is_some(), &[Word::Sql]),
            ("user", user.is_some(), &[Word::Sql]),
            ("password", password.is_some(), &[Word::Sql]),
            ("dbname", dbname.is_some(), &[Word::Sql]),
            ("query", query.is_some(), &[Word::Sql]),
        ];
        for (key, is_there, of) in own {
            let needed = of.contains(&observer) && !matches!(key, "port" | "password");
            if needed && !is_there {
                let help = format!("write `{key} = …` in [leadership]");
                return Err(source.wrong("leadership", format!("has no `{key}`"), help));
            }
            if is_there && !of.contains(&observer) {
                let problem = "says nothing with this `observer`";
                return Err(source.wrong(&format!("leadership.{key}"), problem, "leave it out"));
            }
        }
        for (key, value) in [("user", &user), ("dbname", &dbname)] {
            let Some(value) = value else { continue };
            words(value, "write its name")
                .map_err(|(problem, help)| source.wrong(&format!("leadership.{key}"), problem, help))?;
        }
        if let Some(at) = &at
            && !services.iter().any(|service| service.name == *at)
        {
            let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
            let problem = unknown("service", at, names.iter().copied());
            let help = match names.is_empty() {
                true => "write a [[service]] of that name".to_owned(),
                false => format!("use one of: {}", names.join(", ")),
            };
            return Err(source.wrong("leadership.at", problem, help));
        }
        if port == Some(0) {
            return Err(source.wrong("leadership.port", "is no port", "write a number from 1 to 65535"));
        }
        if let Some(query) = &query {
            let help = "write `WHERE id > {{after}} ORDER BY id`, so that no row is read twice and none is missed";
            let filled = render(query, |name| (name == AFTER).then(|| "0".to_owned())).map_err(|name| {
                let problem = format!("`{{{{{}}}}}` is no variable", shown(&name));
                source.wrong("leadership.query", problem, help)
            })?;
            if filled == *query {
                return Err(source.wrong("leadership.query", "does not say `{{after}}`", help));
            }
        }
        let lease = match (observer, semantics) {
            (Word::None, Some(_)) => {
                let problem = "says nothing where nobody tells who leads";
                return Err(source.wrong("leadership.semantics", problem, "leave it out"));
            }
            (Word::None, None) => Leadership::None,
            (Word::EtcdKey, None) | (_, Some(Semantics::Lease)) => Leadership::Lease,
            (_, Some(Semantics::Assignment) | None) => Leadership::Assignment,
        };
        let text = |value: Option<String>| value.unwrap_or_default();
        let observer = match observer {
            Word::EtcdKey => None,
            Word::Sql => Some(LeaderObserver::Sql(Sql {
                at: text(at),
                port: port.unwrap_or(5432),
                user: text(user),
                password: text(password),
                dbname: text(dbname),
                query: text(query),
            })),
            Word::Service => Some(LeaderObserver::Service(text(at))),
            Word::None => Some(LeaderObserver::None),
        };
        Ok((observer, lease))
    }
}
