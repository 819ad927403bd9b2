//! Files, names and words that come from strangers, taken in so that they can do no harm.
//!
//! An agent's container, a run's folder and a certificate may be made by somebody who wants a pass, or the machine.
//! Their contents are read as regular files below their own folder, up to a size, and are shown without a meaning for
//! whoever shows them. `docs/threat-model.md` says who is trusted with what.
//!
//! | file | what |
//! | --- | --- |
//! | `file.rs` | a regular file, read up to a size |
//! | `folder.rs` | a folder whose contents are not followed out of it |
//! | `name.rs` | plain names, of which paths are made |
//! | `escape.rs` | words without a meaning for a terminal, or in markup |

pub mod escape;
pub mod file;
pub mod folder;
pub mod name;
