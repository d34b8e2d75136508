//! Names of services as policies write them: `[namespace/]service[:port]`.

use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{self, ValueError};
use std::fmt;

/// A Kubernetes Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service and one of its ports; no port where nothing knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePort {
    /// The Service.
    pub service: ServiceName,
    /// The Service's port number (not its target port).
    pub port: Option<u16>,
}

impl ServicePort {
    /// `name:port`, or `name` where nothing knows the port.
    pub fn short(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.service.name),
            None => self.service.name.clone(),
        }
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service.namespace, self.short())
    }
}

/// A port as written: a number, or a name that the catalog knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortText {
    /// `:8080`
    Number(u16),
    /// `:http`
    Name(String),
}

/// A reference to a service, taken apart but not looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceText {
    /// The namespace, if written.
    pub namespace: Option<String>,
    /// The service.
    pub name: String,
    /// `@version`, if written.
    pub version: Option<String>,
    /// The port, if written.
    pub port: Option<PortText>,
}

/// Takes `shop/cart@v2:8080` apart and checks each part.
///
/// # Errors
/// When a part is not a Kubernetes name or port.
pub fn service(text: &str) -> Result<ServiceText, ValueError> {
    let (namespace, rest) = match text.split_once('/') {
        Some((namespace, rest)) => (Some(namespace), rest),
        None => (None, text),
    };
    let (rest, port_text) = match rest.split_once(':') {
        Some((rest, port)) => (rest, Some(port)),
        None => (rest, None),
    };
    let (name, version) = match rest.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (rest, None),
    };
    for part in namespace.into_iter().chain([name]).chain(version) {
        value::name(part).map_err(|error| of_dns(name).filter(|_| namespace.is_none()).unwrap_or(error))?;
    }
    if port_text == Some("") {
        let message = format!("no port follows the colon of `{text}`");
        return Err(ValueError {
            code: codes::BAD_NAME,
            message,
            help: format!("write it right behind: `{text}8080`"),
        });
    }
    Ok(ServiceText {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        version: version.map(str::to_owned),
        port: port_text.map(port).transpose()?,
    })
}

/// What to say of a name as the cluster's DNS has it: `cart.shop.svc.cluster.local`.
fn of_dns(text: &str) -> Option<ValueError> {
    let (name, rest) = text.split_once('.')?;
    let namespace = rest.split_once('.').map_or(rest, |(namespace, _)| namespace);
    let known = !rest.contains('.') || rest.get(namespace.len()..)?.starts_with(".svc");
    let good = known && [name, namespace].iter().all(|part| value::name(part).is_ok());
    good.then(|| ValueError {
        code: codes::BAD_NAME,
        message: format!("`{text}` is not a Kubernetes name"),
        help: format!("a namespace stands before its service: `{namespace}/{name}`"),
    })
}

/// Reads a port number or port name.
///
/// # Errors
/// When it is neither.
pub fn port(text: &str) -> Result<PortText, ValueError> {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        return port_number(text).map(PortText::Number);
    }
    value::name(text).map(|()| PortText::Name(text.to_owned()))
}

/// Reads a port number.
///
/// # Errors
/// When it is not one from 1 to 65535.
pub fn port_number(text: &str) -> Result<u16, ValueError> {
    let number = value::count(text, "a port", 1, 65535)?;
    u16::try_from(number).map_err(|_| ValueError {
        code: codes::OUT_OF_RANGE,
        message: format!("`{text}` is not a port"),
        help: "a port is a number from 1 to 65535".into(),
    })
}

/// Whether a bare name looks like a version: `v1`, `v2-rc1`.
pub fn looks_like_version(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        let full = service("shop/cart@v2:8080").unwrap();
        assert_eq!(full.namespace.as_deref(), Some("shop"));
        assert_eq!(full.version.as_deref(), Some("v2"));
        assert_eq!(full.port, Some(PortText::Number(8080)));
        assert_eq!(service("cart:http").unwrap().port, Some(PortText::Name("http".into())));
        for bad in ["", "/a", "a/", "a/b/c", "a:", "a:0", "a:65536", "A", "a@", "a b"] {
            assert!(service(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions() {
        for yes in ["v1", "v2-rc1", "v10"] {
            assert!(looks_like_version(yes));
        }
        for no in ["v", "vip", "echo", "1"] {
            assert!(!looks_like_version(no));
        }
    }
}
