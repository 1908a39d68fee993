//! `scupper why`: suspects, ranked.
