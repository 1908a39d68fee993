//! `scupper mcp wrap|unwrap|check` on real files.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod disk;
mod running;
mod said;
mod support;
