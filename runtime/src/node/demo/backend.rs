//! A backend on loopback that answers every HTTP/1.1 request with its own name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The most bytes of a request's head.
const MOST: u64 = 64 * 1024;

/// A running backend; it ends with this value.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Backend {
    /// Starts a backend on a port that is free. Needs a runtime.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn start(name: &str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let name = name.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let name = name.clone();
                // A client that goes away is no failure of the backend.
                tokio::spawn(async move { drop(serve(connection, &name).await) });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(connection: TcpStream, name: &str) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut stream = BufReader::new(connection);
    while let Some(head) = head(&mut stream).await? {
        let length = head.iter().find_map(|line| value(line, "content-length")?.parse().ok()).unwrap_or(0);
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
        let body = if head.first().is_some_and(|line| line.starts_with("HEAD ")) { "" } else { name };
        let answer = format!("HTTP/1.1 200 OK\r\nx-backend: {name}\r\ncontent-length: {}\r\n\r\n{body}", name.len());
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The lines of the next request or response; `None` where the stream ends before it.
pub(super) async fn head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    let mut limited = stream.take(MOST);
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line).await? == 0 {
            return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some(lines));
        }
        lines.push(line.to_owned());
    }
}

/// The value of a header, if a line is that header.
pub(super) fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then_some(value.trim())
}
