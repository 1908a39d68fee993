//! What is wrong with a document: claims without evidence, contradictions, what is not there.
