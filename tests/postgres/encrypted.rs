//! TLS to PostgreSQL: `sslmode=require` asks for a certificate of a known authority, always.

use std::fs;
use std::path::Path;

use crate::address::free_address;
use crate::nodes::{create_database, fencepost};
use crate::server::Server;

/// A file whose store is that; what `fencepost outbox` says of it, with its exit code.
fn outbox(directory: &Path, store: &str) -> (Option<i32>, String) {
    let config = directory.join("n1.toml");
    let text = format!(
        "cluster = \"tls\"\nnode = \"n1\"\ndisk = \"none\"\n[voters]\nn1 = \"127.0.0.1:7401\"\n\
         [store]\n{store}\n[sink]\nfile = \"delivered.log\"\n"
    );
    fs::write(&config, text).unwrap();
    let output = fencepost(&["outbox"], &config);
    let said = [output.stdout, output.stderr].concat();
    // As a person reads it, wherever the lines are broken.
    let said = String::from_utf8(said).unwrap();
    (
        output.status.code(),
        said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" "),
    )
}

#[test]
fn a_certificate_of_nobody_known_is_refused_and_a_configured_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    fs::write(directory.path().join("ca.pem"), &pem).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("stranger.pem"), stranger.cert.pem()).unwrap();
    let address = free_address();
    let (ip, port) = (address.ip(), address.port());
    let settings = [
        format!("listen_addresses={ip}"),
        "ssl=on".into(),
        "ssl_cert_file=../server.crt".into(),
        "ssl_key_file=../server.key".into(),
        // Who comes without encryption is turned away, so that what works is encrypted.
        "hba_file=hba.conf".into(),
    ];
    let hba = "local all all trust\nhostssl all all all trust\n";
    let files = [("server.crt", &*pem), ("server.key", &*key), ("hba.conf", hba)];
    let server = Server::start(port, &settings, &files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    create_database(&runtime, &server, "mail");

    let at = |host: &str, mode: &str| {
        format!(
            "postgres = \"host={host} hostaddr={ip} port={port} user=fencepost dbname=mail \
             sslmode={mode}\""
        )
    };
    let (require, directory) = (at("localhost", "require"), directory.path());
    let (code, said) = outbox(directory, &require);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot connect") && said.contains("UnknownIssuer"), "{said}");
    let remedy = "name the certificate of its authority";
    assert!(said.contains(remedy) && said.contains("`ca`"), "the remedy is named: {said}");
    let (code, said) = outbox(directory, &format!("{require}\nca = \"stranger.pem\""));
    assert!(code == Some(1) && said.contains("cannot connect"), "{said}");
    let (code, said) = outbox(directory, &format!("{require}\nca = \"missing.pem\""));
    assert!(code == Some(1) && said.contains("missing.pem"), "{said}");
    let other = at("db.example.org", "require");
    let (code, said) = outbox(directory, &format!("{other}\nca = \"ca.pem\""));
    assert!(code == Some(1) && said.contains("not valid for name"), "{said}");
    assert!(!said.contains(remedy), "it would not help: {said}");
    let (code, said) = outbox(directory, &at("localhost", "disable"));
    assert!(code == Some(1) && said.contains("no encryption"), "{said}");
    assert!(!said.contains(remedy), "it would not help: {said}");

    let (code, said) = outbox(directory, &format!("{require}\nca = \"ca.pem\""));
    assert!(code == Some(0) && said.contains("pending 0"), "{said}");
}
