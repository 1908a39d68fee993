//! The agent's side: its machine on a clock that is turned by hand, its threads against stores.

mod machine;
mod properties;
