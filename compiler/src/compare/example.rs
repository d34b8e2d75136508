//! An example of a class of requests, as a test has it.

use crate::evaluate::{Entry, Request, Site};
use crate::{reach, words};
use std::fmt;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The host; `None` where it does not matter.
    pub host: Option<String>,
    /// Headers but for cookies: name and value.
    pub headers: Vec<(String, String)>,
    /// Cookies: name and value.
    pub cookies: Vec<(String, String)>,
}

/// The host of a request to a site that names none, as in a test.
pub(super) fn host(site: &Site<'_>) -> String {
    match site.entry {
        Entry::Service(service) => service.service.name.clone(),
        Entry::Listen(_) => "localhost".to_owned(),
    }
}

impl Example {
    /// How much there is to it beside method and path.
    pub(super) fn size(&self) -> usize {
        let queries = usize::from(self.path.contains('?'));
        usize::from(self.host.is_some()) + self.headers.len() + self.cookies.len() + queries
    }

    /// As it is sent, with this host where none is written.
    pub fn request(&self, host: &str) -> Request {
        let host = self.host.as_deref().unwrap_or(host);
        let mut request = Request::new(self.method.as_str(), self.path.as_str(), host);
        request.headers.clone_from(&self.headers);
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.with("cookie", pairs.join("; "));
        }
        request
    }
}

impl From<reach::Request> for Example {
    fn from(found: reach::Request) -> Self {
        let mut path = found.path;
        for (at, (name, value)) in found.query.iter().enumerate() {
            path.push_str(&format!("{}{name}={value}", if at == 0 { '?' } else { '&' }));
        }
        let (method, host, headers, cookies) = (found.method, found.host, found.headers, found.cookies);
        Self { method, path, host, headers, cookies }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~?=&%+@:!$'()*,".contains(c);
        let path = if self.path.chars().all(plain) { self.path.clone() } else { words::quoted(&self.path) };
        write!(f, "{} {path}", self.method)?;
        let headers = self.headers.iter().map(|(name, value)| format!("header {name} = {}", words::quoted(value)));
        let cookies = self.cookies.iter().map(|(name, value)| format!("cookie {name} = {}", words::quoted(value)));
        let host = self.host.iter().map(|host| format!("host = {}", words::quoted(host)));
        let with: Vec<String> = host.chain(headers).chain(cookies).collect();
        if with.is_empty() { Ok(()) } else { write!(f, " with {}", with.join(", ")) }
    }
}
