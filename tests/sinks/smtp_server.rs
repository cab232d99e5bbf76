//! A mail server that answers each command as the test says, and remembers what it took.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::certificate::Certificate;

/// A mail that the server has taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Its lines, with the dots that the protocol adds removed.
    pub lines: Vec<String>,
    /// In how many reads its text came, with its end.
    pub reads_after_data: usize,
}

/// What the server does in the place of its usual answer.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Says this line.
    Say(&'static str),
    /// Says its usual answer, and this line in addition.
    SayMore(&'static str),
    /// Takes what it was told, and closes the connection without an answer.
    Close,
    /// Says nothing until the client gives up.
    Silence,
}

/// When the server departs from the usual: at the first command that begins so. `.` is the end of a
/// mail, the empty text is the greeting.
pub type Departure = Option<(&'static str, Act)>;

pub struct MailServer {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Mail>>>,
    commands: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Shared {
    departure: Departure,
    /// What the server says it can, beside its name.
    extensions: &'static [&'static str],
    taken: Arc<Mutex<Vec<Mail>>>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub fn start(departure: Departure) -> Self {
        Self::start_with(departure, &["8BITMIME"], None)
    }

    /// With TLS: from the first byte, unless STARTTLS is among the extensions.
    pub fn start_with(
        departure: Departure,
        extensions: &'static [&'static str],
        certificate: Option<Certificate>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, commands) = <(Arc<Mutex<Vec<Mail>>>, Arc<Mutex<Vec<String>>>)>::default();
        let shared = Shared {
            departure,
            extensions,
            taken: Arc::clone(&taken),
            commands: Arc::clone(&commands),
        };
        let certificate = certificate.map(Arc::new);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, certificate) = (shared.clone(), certificate.clone());
                thread::spawn(move || {
                    serve_connection(stream.unwrap(), &shared, certificate.as_deref());
                });
            }
        });
        Self { address, taken, commands }
    }

    pub fn taken(&self) -> Vec<Mail> {
        self.taken.lock().unwrap().clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

fn serve_connection(mut stream: TcpStream, shared: &Shared, certificate: Option<&Certificate>) {
    let starttls = shared.extensions.contains(&"STARTTLS");
    match certificate {
        None => drop(converse(&mut stream, shared, true)),
        Some(certificate) if starttls => {
            if converse(&mut stream, shared, true) == Some(Turn::Tls) {
                converse(&mut certificate.accept(stream), shared, false);
            }
        }
        Some(certificate) => drop(converse(&mut certificate.accept(stream), shared, true)),
    }
}

#[derive(PartialEq, Eq)]
enum Turn {
    Tls,
}

/// Speaks until the connection ends, or TLS shall begin.
fn converse<S: Read + Write>(stream: &mut S, shared: &Shared, greet: bool) -> Option<Turn> {
    let mut reader = BufReader::new(stream);
    let mut mail = Mail::default();
    if greet {
        say(&mut reader, shared, "", "220 localhost ready\r\n".into())?;
    }
    loop {
        let command = line(&mut reader)?;
        shared.commands.lock().unwrap().push(command.clone());
        let verb = command.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        let usual = match verb.as_str() {
            "EHLO" => {
                let mut lines = vec!["localhost"];
                lines.extend(shared.extensions);
                let last = lines.pop().unwrap();
                let first: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
                format!("{first}250 {last}\r\n")
            }
            "MAIL" => {
                mail = Mail { from: address(&command), ..Mail::default() };
                "250 ok\r\n".into()
            }
            "RCPT" => {
                mail.to.push(address(&command));
                "250 ok\r\n".into()
            }
            "DATA" => "354 go on\r\n".into(),
            "AUTH" => "235 welcome\r\n".into(),
            "STARTTLS" => "220 go on\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            _ => "250 ok\r\n".into(),
        };
        say(&mut reader, shared, &command, usual)?;
        match verb.as_str() {
            "STARTTLS" => return Some(Turn::Tls),
            "QUIT" => return None,
            "DATA" => {
                loop {
                    // Only then the stream itself is read again.
                    mail.reads_after_data += usize::from(reader.buffer().is_empty());
                    match line(&mut reader)? {
                        end if end == "." => break,
                        text => mail.lines.push(text.strip_prefix('.').unwrap_or(&text).to_owned()),
                    }
                }
                shared.commands.lock().unwrap().push(".".into());
                let refused = matches!(shared.departure, Some((".", Act::Say(line)))
                    if line.starts_with(['4', '5']));
                if !refused {
                    shared.taken.lock().unwrap().push(std::mem::take(&mut mail));
                }
                say(&mut reader, shared, ".", "250 taken\r\n".into())?;
            }
            _ => {}
        }
    }
}

/// Answers; `None` if the connection has ended with it.
fn say<S: Read + Write>(
    reader: &mut BufReader<&mut S>,
    shared: &Shared,
    command: &str,
    usual: String,
) -> Option<()> {
    let departs = |at: &str| match at {
        "" | "." => command == at,
        _ => command.to_ascii_uppercase().starts_with(at),
    };
    let text = match shared.departure {
        Some((at, act)) if departs(at) => match act {
            Act::Say(line) => format!("{line}\r\n"),
            Act::SayMore(line) => format!("{usual}{line}\r\n"),
            Act::Close => return None,
            Act::Silence => {
                let _ = reader.read_to_end(&mut Vec::new());
                return None;
            }
        },
        _ => usual,
    };
    let stream = reader.get_mut();
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok()
}

/// A line as the protocol has it: nothing but CRLF ends one.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n") {
        if reader.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
    }
    bytes.truncate(bytes.len() - 2);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn address(command: &str) -> String {
    let (_, rest) = command.split_once('<').expect("an address stands in angle brackets");
    rest.split_once('>').expect("an address stands in angle brackets").0.to_owned()
}
