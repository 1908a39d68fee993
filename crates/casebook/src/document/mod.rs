//! Markdown with front matter, edited in place: what nobody touched stays as it was, to the byte.
