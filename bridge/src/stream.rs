//! Rows on their way out: from a sink to bounded chunks.
