//! `scupper report`: written from evidence.
