//! Tests that need more than Rust. They run when an environment variable asks for them; otherwise each says that it was
//! left out.

use std::io::Write;

/// True if `variable` asks for this test, which needs `what`. If not, one line on standard error says so, with how to
/// include it.
pub fn is_asked_for(variable: &str, what: &str) -> bool {
    if std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or("this test");
    // The test harness holds back what passing tests print with macros, and nothing that is written to the stream
    // itself.
    let _ = writeln!(std::io::stderr(), "left out: {test}, which needs {what} (run with {variable}=1)");
    false
}
