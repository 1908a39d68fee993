//! Situations on an imagined machine, and what is said of them.

mod ends;
mod machine;
mod parents;
