//! `scupper incident`: records with a state.
