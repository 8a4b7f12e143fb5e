//! `DatabaseFs`: the tree over a database.
