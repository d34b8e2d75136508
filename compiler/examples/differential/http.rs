//! HTTP/1.1 on plain sockets: a client that sends what it is told, and a server that says what it got.

use meshc_compiler::evaluate::Request;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The header in which the server gives back the head that it got.
const ECHO: &str = "x-echo";

/// The head of a message, and its body.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn status(&self) -> u32 {
        self.start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// The values of a header, joined with commas.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }

    /// What the server behind the proxy got.
    pub(crate) fn echo(&self) -> Option<Message> {
        let hex = self.header(ECHO)?;
        let digits = hex.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
        head(&mut bytes.as_slice()).ok().flatten()
    }
}

pub(crate) fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim_matches([' ', '\t']))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if from.read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}

/// The head of a message; `None` at the end of the connection.
fn head(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let Some(start) = line(from)? else { return Ok(None) };
    let mut message = Message { start, ..Message::default() };
    while let Some(text) = line(from)? {
        if text.is_empty() {
            return Ok(Some(message));
        }
        if let Some((name, value)) = text.split_once(':') {
            message.headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }
    Ok(None)
}

/// A connection that stays open as long as the proxy lets it.
pub(crate) struct Client {
    port: u16,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, open: None }
    }

    /// The client's address.
    pub(crate) fn address(&mut self) -> io::Result<IpAddr> {
        Ok(self.connection()?.get_ref().local_addr()?.ip())
    }

    fn connection(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        if self.open.is_none() {
            let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.set_nodelay(true)?;
            self.open = Some(BufReader::new(stream));
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("no connection"))
    }

    /// Sends a request and gives the answer.
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<Message> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, request.host);
        for (name, value) in &request.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
            text.push_str("content-length: 0\r\n");
        }
        text.push_str("\r\n");
        let connection = self.connection()?;
        connection.get_mut().write_all(text.as_bytes())?;
        let mut answer = head(connection)?.ok_or_else(|| io::Error::other("the proxy closed the connection"))?;
        let length = answer.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        if request.method != "HEAD" && length > 0 {
            let mut body = vec![0; length];
            connection.read_exact(&mut body)?;
            answer.body = String::from_utf8_lossy(&body).into_owned();
        }
        if answer.header("connection").is_some_and(|c| c == "close") {
            self.open = None;
        }
        Ok(answer)
    }
}

/// Starts the server behind the proxy; gives its port. It ends with the process.
pub(crate) fn serve() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = thread::Builder::new().stack_size(128 * 1024).spawn(move || answer(stream));
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = head(&mut reader)? {
        let mut text = format!("{}\r\n", request.start);
        for (name, value) in &request.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        let mut hex = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-powered-by: server\r\n{ECHO}: {hex}\r\n\r\n");
        reader.get_mut().write_all(head.as_bytes())?;
    }
    Ok(())
}
