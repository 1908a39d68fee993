//! Reports, written from what was recorded.
