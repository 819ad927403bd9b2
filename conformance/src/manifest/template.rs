//! Templates: files with `{{variables}}` that are filled in for each node.

/// The variables that a template may use: the cluster's name; the node's name, and the name by which others reach it;
/// its number from 1 on, whether it is the first one (`yes` or `no`), the name by which that one is reached, and all
/// nodes, `n1=ADDRESS` each with blanks between; `host:port` of etcd, several with commas between; settings in seconds
/// and bytes; switches as `true` or `false`, the one of Postgres as `on` or `off`; the watchdog's mode (`off`,
/// `automatic`, `required`) and device; the remote primary that a standby cluster follows, as a JSON object, or `null`.
pub const VARIABLES: [&str; 22] = [
    "scope",
    "name",
    "address",
    "node_id",
    "first",
    "first_address",
    "nodes",
    "etcd",
    "loop_wait",
    "ttl",
    "retry_timeout",
    "primary_start_timeout",
    "maximum_lag_on_failover",
    "synchronous_mode",
    "failsafe_mode",
    "check_timeline",
    "use_pg_rewind",
    "remove_data_directory_on_diverged_timelines",
    "restart_after_crash",
    "watchdog_mode",
    "watchdog_device",
    "standby_cluster",
];

/// Fills in each `{{name}}` (blanks inside the braces are allowed) with its `value`.
///
/// # Errors
/// The name of the first variable without a value, or the text after braces that are never closed.
pub fn render(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        filled.push_str(&rest[..open]);
        let after = &rest[open + 2..];
        let Some(close) = after.find("}}") else {
            return Err(after.lines().next().unwrap_or_default().to_owned());
        };
        let name = after[..close].trim();
        filled.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        rest = &after[close + 2..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        (name == "scope").then(|| "demo".to_owned())
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(render("a {{scope}} b {{ scope }}", value), Ok("a demo b demo".to_owned()));
        assert_eq!(render("none {here}", value), Ok("none {here}".to_owned()));
    }

    #[test]
    fn an_unknown_variable_is_named() {
        assert_eq!(render("{{nodes}}", value), Err("nodes".to_owned()));
        assert_eq!(render("x {{scope\ny", value), Err("scope".to_owned()));
    }
}
