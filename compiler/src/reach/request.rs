//! A request that stands for others: an example of what a condition takes.

use std::fmt;

/// An example of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The host, with a port where one matters; `None` where any will do.
    pub host: Option<String>,
    /// Headers: name and value.
    pub headers: Vec<(String, String)>,
    /// Query parameters: name and value, not decoded.
    pub query: Vec<(String, String)>,
    /// Cookies: name and value.
    pub cookies: Vec<(String, String)>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            query: Vec::new(),
            cookies: Vec::new(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}", self.method, self.path)?;
        for (at, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        f.write_str("`")?;
        let host = self.host.iter().map(|host| format!("host `{host}`"));
        let headers = self.headers.iter().map(|(name, value)| match value.as_str() {
            "" => format!("an empty header `{name}`"),
            value => format!("header `{name}: {value}`"),
        });
        let cookies = self.cookies.iter().map(|(name, value)| format!("cookie `{name}={value}`"));
        let further: Vec<String> = host.chain(headers).chain(cookies).collect();
        match further.split_last() {
            None => Ok(()),
            Some((last, [])) => write!(f, " with {last}"),
            Some((last, before)) => write!(f, " with {} and {last}", before.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_a_person_writes_them() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(Request::default().to_string(), "`GET /`");
        let request = Request {
            method: "POST".into(),
            path: "/a".into(),
            host: Some("shop.example.com:8080".into()),
            headers: vec![pair("x-user", "")],
            query: vec![pair("q", "1"), pair("r", "")],
            cookies: vec![pair("beta", "yes")],
        };
        let wanted =
            "`POST /a?q=1&r=` with host `shop.example.com:8080`, an empty header `x-user` and cookie `beta=yes`";
        assert_eq!(request.to_string(), wanted);
    }
}
