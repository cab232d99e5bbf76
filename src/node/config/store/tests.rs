//! Stores as they are written, and each mistake in them.

use std::path::Path;
use std::time::Duration;

use crate::cluster::ACTIVATION_PATIENCE;
use crate::node::ClusterConfig;
use crate::node::config::tests::{assert_shows, rendered};
use crate::node::config::{ConfigFileError, NodeConfig};
use crate::secret::SecretSource;
use crate::store::{PostgresConfig, StoreConfig};

fn parse(store: &str) -> Result<StoreConfig, ConfigFileError> {
    config(store).map(|config| config.store)
}

fn config(store: &str) -> Result<NodeConfig, ConfigFileError> {
    let text = format!(
        "cluster = \"mail\"\nnode = \"n1\"\ndisk = \"none\"\n[voters]\nn1 = \"127.0.0.1:7401\"\n\
         [sink]\nfile = \"x\"\n[store]\n{store}"
    );
    NodeConfig::parse(&text, "n1.toml", Path::new("/etc/mail"))
}

fn shown(store: &str) -> String {
    rendered(&parse(store).unwrap_err())
}

const POSTGRES: &str = "postgres = \"host=db user=mail sslmode=require\"\n";

#[test]
fn a_file_or_a_database() {
    let file = parse("sqlite = \"mail.db\"").unwrap();
    assert_eq!(file, StoreConfig::Sqlite("/etc/mail/mail.db".into()));
    let connection = "host=db user=mail sslmode=require";
    let plain = parse(POSTGRES).unwrap();
    assert_eq!(plain, StoreConfig::Postgres(PostgresConfig::new(connection)));
    let full =
        parse(&format!("{POSTGRES}password = {{ file = \"pw\" }}\nca = \"ca.pem\"")).unwrap();
    assert_eq!(
        full,
        StoreConfig::Postgres(PostgresConfig {
            connection: connection.into(),
            password: Some(SecretSource::File("/etc/mail/pw".into())),
            ca: Some("/etc/mail/ca.pem".into()),
        })
    );
    assert!(parse("postgres = \"postgresql://mail@db:5432/mail\"").is_ok());
}

#[test]
fn there_is_exactly_one_store() {
    assert_shows(&shown(""), &["there is no store", "[store]", "sqlite = "]);
    let both = format!("{POSTGRES}sqlite = \"x\"");
    assert_shows(&shown(&both), &["not both", "postgres = "]);
    assert_shows(&shown("postgre = \"x\""), &["did you mean `postgres`?"]);
}

#[test]
fn patience_has_a_default_and_bounds() {
    let patience = |more: &str| config(&format!("sqlite = \"x\"\n{more}"));
    assert_eq!(patience("").unwrap().store_patience, ACTIVATION_PATIENCE);
    let longer = patience("patience = \"20s\"").unwrap();
    assert_eq!(longer.store_patience, Duration::from_secs(20));
    let told = ClusterConfig::store_patience(longer.cluster_config(), Duration::from_secs(20));
    assert_eq!(longer.cluster_config(), told, "the service is told");
    for bad in ["900ms", "11m"] {
        let shown = rendered(&patience(&format!("patience = \"{bad}\"")).unwrap_err());
        assert_shows(&shown, &["waits for its store for 1s to 600s", bad, "costs an election"]);
    }
}

#[test]
fn what_does_nothing_or_shows_a_secret_is_refused() {
    let idle = "sqlite = \"x\"\npassword = { env = \"X\" }";
    assert_shows(&shown(idle), &["needs no `password`", "password = "]);
    assert_shows(&shown("sqlite = \"x\"\nca = \"y\""), &["needs no `ca`"]);
    for bad in ["host=db password=x", "postgresql://mail:x@db/mail"] {
        let shown = shown(&format!("postgres = \"{bad}\""));
        assert_shows(&shown, &["a password in it", "password = { env = "]);
    }
    let two = format!("{POSTGRES}password = {{ env = \"X\", file = \"y\" }}");
    assert_shows(&shown(&two), &["a secret comes from one place"]);
}

#[cfg(not(madsim))]
#[test]
fn what_would_not_protect_the_connection_is_refused() {
    let open = "postgres = \"host=db user=mail\"\n";
    let ca = shown(&format!("{open}ca = \"ca.pem\""));
    assert_shows(&ca, &["`ca` does nothing", "postgres = ", "sslmode=require"]);
    let password = shown(&format!("{open}password = {{ env = \"X\" }}"));
    assert_shows(&password, &["travel to db in clear text", "postgres = ", "sslmode=require"]);
    let local = "postgres = \"host=localhost user=mail\"\npassword = { env = \"X\" }";
    assert!(parse(local).is_ok());
    // The slash hides it from who reads a URL carelessly.
    let hidden = shown("postgres = \"postgresql://mail:x/y@db/mail\"");
    assert_shows(&hidden, &["a password in it"]);
}

#[cfg(not(madsim))]
#[test]
fn a_connection_string_is_read_early() {
    assert_shows(&shown("postgres = \"hots=db\""), &["no connection string", "hots", "host=db."]);
}
