//! A web server that does to each request what the test says, and remembers what it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::certificate::Certificate;

/// One request as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which connection of the server it came on, from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of a header that must be there once at most.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} came twice");
        value.map(String::as_str)
    }
}

/// What the server does once it has read a request.
pub enum Act {
    /// Sends these bytes and waits for the next request.
    Say(Vec<u8>),
    /// Sends these bytes and closes the connection.
    SayAndClose(Vec<u8>),
    /// Sends these bytes, then more of the same until the client has had enough.
    SayForEver(Vec<u8>, &'static [u8]),
    /// Says nothing until the client gives up.
    Silence,
}

/// An answer without headers of interest.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into()
}

type Handler = Arc<Mutex<dyn FnMut(&Seen) -> Act + Send>>;

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// One word for each connection that ended.
    pub ended: std::sync::mpsc::Receiver<usize>,
}

impl Server {
    pub fn start(handler: impl FnMut(&Seen) -> Act + Send + 'static) -> Self {
        Self::start_with(None, handler)
    }

    pub fn start_tls(
        certificate: Certificate,
        handler: impl FnMut(&Seen) -> Act + Send + 'static,
    ) -> Self {
        Self::start_with(Some(certificate), handler)
    }

    /// Runs until the process ends.
    fn start_with(
        certificate: Option<Certificate>,
        handler: impl FnMut(&Seen) -> Act + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Handler = Arc::new(Mutex::new(handler));
        let (end, ended) = std::sync::mpsc::channel();
        let record = Arc::clone(&seen);
        let certificate = certificate.map(Arc::new);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (record, handler) = (Arc::clone(&record), Arc::clone(&handler));
                let (end, certificate) = (end.clone(), certificate.clone());
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    match certificate {
                        Some(certificate) => {
                            serve(&mut certificate.accept(stream), number, &record, &handler);
                        }
                        None => serve(&mut { stream }, number, &record, &handler),
                    }
                    let _ = end.send(number);
                });
            }
        });
        Self { address, seen, ended }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn url(&self, path: &str) -> http::Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

/// An address at which nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Accepts one connection and closes it without a word.
pub fn slam(listener: &TcpListener) {
    let (stream, _): (TcpStream, _) = listener.accept().unwrap();
    drop(stream);
}

fn serve<S: Read + Write>(
    stream: &mut S,
    connection: usize,
    record: &Mutex<Vec<Seen>>,
    handler: &Handler,
) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader, connection) {
        record.lock().unwrap().push(seen.clone());
        let act = (handler.lock().unwrap())(&seen);
        let stream = reader.get_mut();
        match act {
            Act::Say(bytes) => {
                if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
                return;
            }
            Act::SayForEver(bytes, more) => {
                let mut going = stream.write_all(&bytes);
                while going.is_ok() {
                    going = stream.write_all(more);
                }
                return;
            }
            Act::Silence => {
                let _ = stream.read(&mut [0; 1]);
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead, connection: usize) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.trim_end().split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.strip_suffix("\r\n").expect("a header line ends with CRLF");
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").expect("a header has a name and a value");
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let len = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; len.map_or(0, |(_, len)| len.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { connection, method, target, headers, body })
}
