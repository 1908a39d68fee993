//! Ten staged leaks, and who is suspected first.
