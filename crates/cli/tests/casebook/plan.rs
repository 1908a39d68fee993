//! `scupper plan`: notes in, action plans out.
