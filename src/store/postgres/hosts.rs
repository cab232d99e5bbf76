//! Several hosts, of which one is silent: the next ones must have time left.

// chance: which of several servers a real node asks first
use std::hash::{BuildHasher, RandomState};

use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Config, Error};

use super::CONNECT_TIMEOUT;
use super::sessions::{Dial, Session};

/// Tries hosts one after the other, each for its part of the time; to the last one belongs what is left.
/// The driver's own limit ends with the TCP handshake, which the kernel of a stopped server still answers.
pub(super) async fn in_turn(dial: &dyn Dial, config: &Config) -> Result<Session, Error> {
    let mut hosts = each_alone(config);
    let last = hosts.pop().unwrap_or_else(|| config.clone());
    let each = CONNECT_TIMEOUT / (count(hosts.len()) + 1);
    for host in hosts {
        if let Ok(Ok(session)) = timeout(each, dial.dial(&host)).await {
            return Ok(session);
        }
    }
    dial.dial(&last).await
}

/// How many hosts it names, at least 1.
pub(super) fn hosts_of(config: &Config) -> u32 {
    count(config.get_hosts().len().max(config.get_hostaddrs().len())).max(1)
}

fn count(hosts: usize) -> u32 {
    u32::try_from(hosts).unwrap_or(u32::MAX - 1)
}

/// The configuration of each host, in the order in which they are to be tried. None of one host alone, or if
/// the lists do not fit together, which the driver explains.
fn each_alone(config: &Config) -> Vec<Config> {
    let (names, addresses, ports) =
        (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let hosts = names.len().max(addresses.len());
    let fits = |len: usize, least: usize| len <= least || len == hosts;
    if hosts < 2 || !fits(names.len(), 0) || !fits(addresses.len(), 0) || !fits(ports.len(), 1) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..hosts).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let chance = RandomState::new();
        order.sort_by_key(|index| chance.hash_one(index));
    }
    order.into_iter().map(|index| alone(config, index)).collect()
}

/// All that a configuration says, with one of its hosts.
fn alone(config: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(index).or(ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(limit) = config.get_connect_timeout() {
        one.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*limit);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With every setting that there is, none at its default.
    fn with(hosts: &str) -> Config {
        let rest = "user=u password=p dbname=d options='-c geqo=off' application_name=a \
                    sslmode=require sslnegotiation=direct connect_timeout=3 tcp_user_timeout=4 \
                    keepalives=0 keepalives_idle=5 keepalives_interval=6 keepalives_retries=7 \
                    target_session_attrs=read-only channel_binding=require";
        format!("{hosts} {rest}").parse().unwrap()
    }

    #[test]
    fn each_host_is_tried_with_all_that_was_configured() {
        let each = |hosts: &str| each_alone(&with(hosts));
        assert_eq!(
            each("host=a,/run/b port=1,2"),
            [with("host=a port=1"), with("host=/run/b port=2")]
        );
        assert_eq!(
            each("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1"),
            [with("host=a hostaddr=10.0.0.1 port=1"), with("host=b hostaddr=10.0.0.2 port=1")]
        );
        let random = each("hostaddr=10.0.0.1,10.0.0.2 load_balance_hosts=random");
        assert_eq!(random.len(), 2);
        assert!(random.contains(&with("hostaddr=10.0.0.2 load_balance_hosts=random")));
        for one_or_wrong in ["host=a", "host=a,b,c port=1,2", "host=a,b hostaddr=10.0.0.1"] {
            assert_eq!(each(one_or_wrong), [], "{one_or_wrong}");
        }
        assert_eq!((hosts_of(&with("host=a,b,c")), hosts_of(&with("hostaddr=10.0.0.1"))), (3, 1));
    }
}
