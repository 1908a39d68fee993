//! What may be leaking, ranked: what speaks for each suspect, what against it, and what would tell.
