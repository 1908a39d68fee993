//! Configuration files of MCP clients: wraps each server that is started over stdio in Scupper, and undoes it. Text in,
//! text out; what is not ours stays byte for byte.

#![forbid(unsafe_code)]
