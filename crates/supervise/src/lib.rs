//! One unit: a pure state machine, what is watched for leaks, and the shell that spawns, signals and waits.

mod compare;
pub mod control;
pub mod helpers;
pub mod record;
pub mod replay;
pub mod shell;
pub mod soak;
pub mod unit;
pub mod watch;

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
