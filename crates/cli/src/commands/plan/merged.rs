//! A plan that is made again, and what people did to the one before.

use anyhow::{Result, bail};

/// What became of both.
pub(super) struct Together {
    pub text: String,
    /// Lines of ours that had to give way.
    pub conflicts: Vec<String>,
}

/// Ours where nobody touched theirs; theirs where ours says nothing new. Both changed is for a person to sort out.
pub(super) fn together(base: Option<&str>, theirs: &str, ours: &str) -> Result<Together> {
    let text = if theirs == ours || base == Some(ours) {
        theirs
    } else if base == Some(theirs) {
        ours
    } else {
        bail!("the note changed, and so did its plan: the plan is left as it is")
    };
    Ok(Together { text: text.to_owned(), conflicts: Vec::new() })
}
