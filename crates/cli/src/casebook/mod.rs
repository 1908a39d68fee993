//! What documents are written from, and where they lie: the shell around `scupper_casebook`.

pub(crate) mod evidence;
