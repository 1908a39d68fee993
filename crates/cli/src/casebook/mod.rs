//! What documents are written from, and where they lie: the shell around `scupper_casebook`.

pub(crate) mod checks;
pub(crate) mod evidence;
pub(crate) mod folder;
pub(crate) mod keep;
pub(crate) mod opener;
pub(crate) mod recorder;
pub(crate) mod suspected;
