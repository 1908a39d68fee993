//! Action plans, made from the notes of an inbox.
