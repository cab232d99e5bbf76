//! Cases of PostgreSQL alone.
