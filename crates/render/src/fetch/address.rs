//! Which network addresses a stranger's URL may lead to.
//!
//! The judgement is made on the addresses that a connection is then opened to, so a name that changes its
//! answer between two questions gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{FetchError, Reach};

/// Whether an address belongs to the public Internet (IANA special-purpose registries, RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private (RFC 1918), loopback.
        [0 | 10 | 127, ..] => true,
        // Shared by a carrier's customers (RFC 6598).
        [100, second, ..] => (64..128).contains(&second),
        [169, 254, ..] | [192, 168, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        // Protocol assignments, TEST-NET-1, the 6to4 relays.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] => true,
        // Benchmarks (RFC 2544), TEST-NET-2, TEST-NET-3.
        [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [first, ..] => first >= 224,
    };
    !special
}

/// Of IPv6 only 2000::/3 is given out. What lies outside is loopback, local, multicast, IPv4-mapped and the like.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64: how a network without IPv4 reaches a public IPv4 host (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo, documentation, and 6to4, which may hide a private IPv4 address.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x2002, ..] => false,
        // Documentation (RFC 9637).
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

fn is_within(address: IpAddr, reach: Reach) -> bool {
    match reach {
        Reach::Public => is_public(address),
        Reach::ThisMachine => is_public(address) || address.is_loopback(),
        Reach::Everywhere => true,
    }
}

/// Refuses an address out of reach.
pub(super) fn admit(host: &str, address: IpAddr, reach: Reach) -> Result<(), FetchError> {
    if is_within(address, reach) { Ok(()) } else { Err(FetchError::Private { host: host.to_owned(), address }) }
}

/// Keeps those within reach among the addresses that a name has; an error when there is none.
pub(super) fn keep(
    host: &str,
    reach: Reach,
    found: impl IntoIterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, FetchError> {
    let (kept, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| is_within(found.ip(), reach));
    match (kept.is_empty(), refused.first()) {
        (false, _) => Ok(kept),
        (true, Some(refused)) => Err(FetchError::Private { host: host.to_owned(), address: refused.ip() }),
        (true, None) => Err(FetchError::Failed(format!("{host} has no address"))),
    }
}

/// Looks names up as the system does, and hides addresses out of reach from the client.
#[derive(Debug)]
pub(super) struct Within(pub(super) Reach);

impl Resolve for Within {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Addrs = Box::new(keep(name.as_str(), reach, found)?.into_iter());
            Ok(kept)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "3ffe:ffff::1",
        "3fff:1000::1",
        "64:ff9b::8.8.8.8",
    ];

    const PRIVATE: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::192.168.1.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:0:1::8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:ffff::1",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456:789a::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ];

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for (table, expected) in [(PUBLIC, true), (PRIVATE, false)] {
            for text in table {
                assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_name_keeps_its_public_addresses_only() {
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let kept = keep("both.test", Reach::Public, [at("127.0.0.1"), at("8.8.8.8"), at("fd00::1")]).unwrap();
        assert_eq!(kept, [at("8.8.8.8")]);
        // As `127.0.0.1.nip.io` would answer, or a name that has changed its mind.
        let error = keep("own.test", Reach::Public, [at("127.0.0.1"), at("::1")]).unwrap_err();
        assert!(matches!(&error, FetchError::Private { host, address }
            if host == "own.test" && address.to_string() == "127.0.0.1"));
        assert!(matches!(keep("none.test", Reach::Public, []), Err(FetchError::Failed(_))));
    }

    #[tokio::test]
    async fn the_resolver_gives_no_private_address_away() {
        let Err(error) = Within(Reach::Public).resolve("localhost".parse().unwrap()).await else {
            panic!("localhost is private")
        };
        assert!(matches!(error.downcast_ref(), Some(FetchError::Private { .. })), "{error}");
    }
}
