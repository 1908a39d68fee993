//! The API on real sockets, with the store that forgets everything and a clock that is turned by hand. With a real
//! `scupper serve`: `tests/fleet/http.rs`.

mod agents;
mod contract;
mod edges;
mod world;
