//! The `[store]` table: a SQLite file or a PostgreSQL database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigFileError, Draft};
use super::secret::SecretTable;
use crate::cluster::ACTIVATION_PATIENCE;
use crate::store::{PostgresConfig, StoreConfig};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreTable {
    sqlite: Option<Spanned<PathBuf>>,
    postgres: Option<Spanned<String>>,
    password: Option<Spanned<SecretTable>>,
    ca: Option<Spanned<PathBuf>>,
    patience: Option<Spanned<String>>,
}

/// The shortest patience with a store: a restart of a database takes longer than that.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

/// The longest: nobody acts meanwhile.
const MAX_PATIENCE: Duration = Duration::from_secs(600);

impl Draft<'_> {
    /// For how long a leader waits for the store.
    pub(super) fn patience(
        &self,
        table: &Spanned<StoreTable>,
    ) -> Result<Duration, ConfigFileError> {
        let Some(text) = &table.get_ref().patience else { return Ok(ACTIVATION_PATIENCE) };
        let patience = self.duration(text)?;
        if (MIN_PATIENCE..=MAX_PATIENCE).contains(&patience) {
            return Ok(patience);
        }
        Err(self.mistake(
            text.span(),
            format!("a leader waits for its store for {MIN_PATIENCE:?} to {MAX_PATIENCE:?}"),
            "outside of that",
            "shorter, and each restart of the store costs an election; longer, and nobody acts although \
             another node could",
        ))
    }

    /// The one store that the table names. Relative paths start at `directory`.
    pub(super) fn store(
        &self,
        table: &Spanned<StoreTable>,
        directory: &Path,
    ) -> Result<StoreConfig, ConfigFileError> {
        let at = table.span();
        let table = table.get_ref();
        match (&table.sqlite, &table.postgres) {
            (Some(sqlite), None) => {
                let idle = table.password.as_ref().map(|it| ("password", it.span()));
                match idle.or(table.ca.as_ref().map(|it| ("ca", it.span()))) {
                    None => Ok(StoreConfig::Sqlite(directory.join(sqlite.get_ref()))),
                    Some((name, span)) => Err(self.mistake(
                        span,
                        format!("a file needs no `{name}`"),
                        "would do nothing",
                        "remove it, or write `postgres = \"…\"` in the place of `sqlite`",
                    )),
                }
            }
            (None, Some(connection)) => {
                let password = table.password.as_ref();
                let password =
                    password.map(|password| self.secret(password, directory)).transpose()?;
                let ca = table.ca.as_ref().map(|ca| directory.join(ca.get_ref()));
                let connection = self.connection(connection, table)?;
                Ok(StoreConfig::Postgres(PostgresConfig { connection, password, ca }))
            }
            (Some(_), Some(second)) => Err(self.mistake(
                second.span(),
                "a store is a file or a database, not both",
                "a second store",
                "keep one of them: the fence is in one place",
            )),
            (None, None) => Err(self.mistake(
                at,
                "there is no store",
                "names none",
                "write `sqlite = \"a path\"` here, or `postgres = \"host=… user=… dbname=…\"` if \
                 the nodes are on several machines",
            )),
        }
    }

    #[cfg_attr(madsim, expect(unused_variables, reason = "no simulation connects to a server"))]
    fn connection(
        &self,
        text: &Spanned<String>,
        table: &StoreTable,
    ) -> Result<String, ConfigFileError> {
        let mistake = |what: String, label: &str, help: &str| {
            Err(self.mistake(text.span(), what, label, help))
        };
        let with_password = || {
            mistake(
                "a connection string with a password in it".into(),
                "would be written down here",
                "remove it, and add `password = { env = \"A_VARIABLE\" }`, or `{ file = \"…\" }`",
            )
        };
        let connection = text.get_ref();
        // A URL has a password between the user and the host.
        let in_url = connection
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.split_once('@'))
            .is_some_and(|(user, _)| user.contains(':'));
        if in_url || connection.contains("password") {
            return with_password();
        }
        #[cfg(not(madsim))]
        match crate::store::parse_postgres(connection) {
            Err(why) => {
                return mistake(
                    format!("this is no connection string: {why}"),
                    "here",
                    "write one as in \"host=db.example.org user=fencepost dbname=mail sslmode=require\"",
                );
            }
            Ok(settings) if settings.get_password().is_some() => return with_password(),
            Ok(settings) => {
                let has = (table.password.is_some(), table.ca.is_some());
                if let Some(found) = crate::store::mistake(&settings, has.0, has.1) {
                    let crate::store::Mistake { what, remedy } = found;
                    return mistake(what, "without encryption", remedy);
                }
            }
        }
        Ok(connection.clone())
    }
}

#[cfg(test)]
mod tests;
