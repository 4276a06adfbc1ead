//! Where a plugin may go: scheme, host and port must be granted, and a name must lead to a public address. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use url::{Host, Url};

/// What the user, or a built-in's manifest, grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Origins such as `https://api.example.org`, or `http://127.0.0.1:8080`: a plain address is granted by naming it.
    pub hosts: Vec<String>,
    /// Files, by the names the plugin knows them by.
    pub assets: BTreeMap<String, PathBuf>,
}

/// A place that may be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The address as given, without user, password or fragment.
    pub url: Url,
    /// Host and port to connect to.
    pub host: Host<String>,
    /// The port.
    pub port: u16,
    /// Whether addresses that are not public may be connected to: only where the grant names the address itself.
    pub private_allowed: bool,
}

/// Why a plugin may not fetch something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// It is no address of the web.
    #[error("`{0}` is no address that can be fetched")]
    NotAnAddress(String),
    /// It holds a user or a password.
    #[error("an address may not hold a user or a password")]
    UserInfo,
    /// Scheme, host and port are not granted.
    #[error("{0} is not granted")]
    Origin(String),
    /// Unencrypted, and not this machine.
    #[error("{0} is not encrypted, which is allowed only for addresses of this machine")]
    NotEncrypted(String),
    /// A name that leads to an address that is not public.
    #[error("{host} leads to {address}, which is not a public address")]
    NotPublic {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
    },
}

impl Grants {
    /// Whether an address may be fetched.
    pub fn check(&self, address: &str) -> Result<Origin, NotGranted> {
        let mut url = Url::parse(address).map_err(|_| NotGranted::NotAnAddress(shown(address)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotGranted::UserInfo);
        }
        url.set_fragment(None);
        let Some((host, port)) = url.host().map(|host| host.to_owned()).zip(url.port_or_known_default()) else {
            return Err(NotGranted::NotAnAddress(shown(address)));
        };
        let origin = url.origin().ascii_serialization();
        let granted = |grant: &String| Url::parse(grant).is_ok_and(|grant| grant.origin() == url.origin());
        if !self.hosts.iter().any(granted) {
            return Err(NotGranted::Origin(origin));
        }
        let literal = match &host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        match url.scheme() {
            "https" => {}
            "http" if literal.is_some_and(|address| address.is_loopback()) => {}
            "http" => return Err(NotGranted::NotEncrypted(origin)),
            _ => return Err(NotGranted::NotAnAddress(shown(address))),
        }
        Ok(Origin { url, host, port, private_allowed: literal.is_some() })
    }
}

impl Origin {
    /// Whether this host's address may be connected to.
    pub fn check_address(&self, address: IpAddr) -> Result<(), NotGranted> {
        if self.private_allowed || is_public(address) {
            Ok(())
        } else {
            Err(NotGranted::NotPublic { host: self.host.to_string(), address })
        }
    }
}

/// An address without its query, where a key may be.
fn shown(address: &str) -> String {
    address.split(['?', '#']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether an address is one of the open internet: not of this machine, a private network, a link, a cloud's metadata
/// service, documentation or a carrier's shared range (RFC 6890 and the registries it names).
#[must_use]
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => is_public_v4(embedded),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarking = a == 198 && (b == 18 || b == 19);
    let protocols = (a, b, c) == (192, 0, 0);
    !(a == 0
        || 240 <= a
        || shared
        || benchmarking
        || protocols
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let unique_local = first & 0xfe00 == 0xfc00;
    let link_local = first & 0xffc0 == 0xfe80;
    let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || unique_local
        || link_local
        || documentation)
}

/// The IPv4 address inside one of IPv6: mapped, translated (64:ff9b::/96) or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(hosts: &[&str]) -> Grants {
        Grants { hosts: hosts.iter().map(ToString::to_string).collect(), assets: BTreeMap::new() }
    }

    #[test]
    fn only_what_is_granted_may_be_fetched() {
        let grants = grants(&["https://api.example.org", "http://127.0.0.1:8080"]);
        for allowed in
            ["https://api.example.org/x?key=1", "https://API.EXAMPLE.org:443/", "http://127.0.0.1:8080/dataset"]
        {
            assert!(grants.check(allowed).is_ok(), "{allowed}");
        }
        for refused in [
            "http://api.example.org/",
            "https://api.example.org:444/",
            "https://api.example.org.evil.net/",
            "https://evil.net/https://api.example.org",
            "https://api.example.org@evil.net/",
            "https://user:secret@api.example.org/",
            "https://sub.api.example.org/",
            "http://127.0.0.1:8081/",
            "http://127.1:9/",
            "file:///etc/passwd",
            "ftp://api.example.org/",
            "//api.example.org/",
            "",
        ] {
            assert!(grants.check(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_granted_name_must_be_encrypted_and_lead_to_a_public_address() {
        assert!(matches!(grants(&["http://intranet"]).check("http://intranet/"), Err(NotGranted::NotEncrypted(_))));
        let origin = grants(&["https://api.example.org"]).check("https://api.example.org/").expect("granted");
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "192.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            let address = private.parse().expect("an address");
            assert!(origin.check_address(address).is_err(), "{private}");
        }
        for public in ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8"] {
            assert!(origin.check_address(public.parse().expect("an address")).is_ok(), "{public}");
        }
    }

    #[test]
    fn what_is_refused_does_not_show_keys() {
        let refused = grants(&[]).check("https://evil.net/?token=SECRET").expect_err("not granted");
        assert!(!refused.to_string().contains("SECRET"));
        let refused = grants(&[]).check("nonsense?token=SECRET").expect_err("no address");
        assert!(!refused.to_string().contains("SECRET"));
    }
}
