//! What people did to a document that is written anew stays: three versions in, one out.
