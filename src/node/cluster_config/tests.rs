use super::*;

const PLAIN: &str = r#"
cluster = "orders"
node = "n1"
voters = { n1 = "10.0.0.1:7400", n2 = "10.0.0.2:7400", n3 = "10.0.0.3:7400" }
"#;

#[test]
fn a_table_says_what_code_can_say() {
    let text = format!(
        "{PLAIN}listen = \"0.0.0.0:7400\"\npriority = 1\ntiming = {{ lease = \"800ms\", \
         max_drift_ppm = 500 }}\n"
    );
    let config: ClusterConfig = toml::from_str(&text).unwrap();
    let timing =
        Timing { lease: Duration::from_millis(800), max_drift_ppm: 500, ..Timing::default() };
    let voters = ["n1", "n2", "n3"]
        .into_iter()
        .zip(1..)
        .map(|(name, host)| (name.parse().unwrap(), SocketAddr::from(([10, 0, 0, host], 7400))));
    let in_code = ClusterConfig::voter("orders", "n1".parse().unwrap(), voters)
        .listen("0.0.0.0:7400".parse().unwrap())
        .priority(1)
        .timing(timing);
    assert_eq!(config, in_code);
    config.election().validate().unwrap();
    assert_eq!(config.listens(), Some("0.0.0.0:7400".parse().unwrap()));
}

#[test]
fn a_voter_listens_where_the_others_look_for_it_and_an_observer_nowhere() {
    let voter: ClusterConfig = toml::from_str(PLAIN).unwrap();
    assert_eq!(voter.listens(), Some("10.0.0.1:7400".parse().unwrap()));
    let observer = PLAIN.replace("node = \"n1\"", "node = \"o1\"\nobserver = true");
    let observer: ClusterConfig = toml::from_str(&observer).unwrap();
    assert_eq!(observer.listens(), None);
    observer.election().validate().unwrap();
}

#[test]
fn mistakes_are_told() {
    for (from, to, told) in [
        ("n1 = \"10", "\"n 1\" = \"10", "cannot name a node"),
        ("10.0.0.1:7400", "10.0.0.1", "socket address"),
        ("voters", "voter", "unknown field `voter`"),
        ("node = \"n1\"", "node = \"n1\"\ntiming = { lease = \"9\" }", "\"9\" is no duration"),
        ("node = \"n1\"", "node = \"n1\"\nstandalone = true", "unknown field `standalone`"),
    ] {
        let error = toml::from_str::<ClusterConfig>(&PLAIN.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(told), "{told}: {error}");
    }
}

#[test]
fn an_empty_list_makes_no_cluster_of_one() {
    let config = ClusterConfig::voter("orders", "n1".parse().unwrap(), []);
    assert!(config.election().validate().is_err());
    ClusterConfig::standalone().election().validate().unwrap();
}
