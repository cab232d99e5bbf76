//! Stands between a store and the server, and cuts the connection at a COMMIT, or lets the server vanish.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use crate::store::tests::server::Database;
use crate::store::{PostgresConfig, PostgresStore};

/// What it does to the next COMMIT, or the next request of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cut {
    /// Lets it pass.
    Never = 0,
    /// Keeps it from the server.
    BeforeCommit = 1,
    /// Keeps the server's answer from the client.
    AfterCommit = 2,
    /// Swallows whatever comes next and all that follows it on that connection, says nothing, and keeps the
    /// connection open: as if the server's host had lost its power.
    Vanish = 3,
}

pub(super) struct Proxy {
    pub(super) port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    /// Runs until the process ends.
    pub(super) fn start(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(Cut::Never as u8));
        let (socket, shared) = (database.socket(), Arc::clone(&cut));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (socket, cut) = (socket.clone(), Arc::clone(&shared));
                thread::spawn(move || pass(client.unwrap(), socket, &cut));
            }
        });
        Self { port, cut }
    }

    pub(super) async fn store(&self, database: &Database) -> PostgresStore {
        let address =
            format!("host=127.0.0.1 port={} user=fencepost dbname={}", self.port, database.name);
        PostgresStore::open(&PostgresConfig::new(address)).await.unwrap()
    }

    /// Cuts the connection of the next COMMIT.
    pub(super) fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Waits until it has done so.
    pub(super) async fn has_cut(&self) {
        while self.cut.load(Ordering::SeqCst) != Cut::Never as u8 {
            tokio::task::yield_now().await;
        }
    }
}

fn pass(mut client: TcpStream, socket: PathBuf, cut: &AtomicU8) {
    let mut server = UnixStream::connect(socket).unwrap();
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let swallow = Arc::new(AtomicU8::new(0));
    let swallows = Arc::clone(&swallow);
    let back = thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(len @ 1..) = from_server.read(&mut buffer) {
            if swallows.load(Ordering::SeqCst) != 0 {
                // Answers to what came with the COMMIT may come first.
                match holds_commit(&buffer[..len]) {
                    // The server has answered the COMMIT, so it has done it.
                    true => break,
                    false => continue,
                }
            }
            if to_client.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 1 << 16];
    while let Ok(len @ 1..) = client.read(&mut buffer) {
        let (vanish, never) = (Cut::Vanish as u8, Cut::Never as u8);
        if cut.compare_exchange(vanish, never, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            while let Ok(1..) = client.read(&mut buffer) {}
            break;
        }
        let now = if holds_commit(&buffer[..len]) {
            cut.swap(Cut::Never as u8, Ordering::SeqCst)
        } else {
            0
        };
        if now == Cut::BeforeCommit as u8 {
            break;
        }
        if now == Cut::AfterCommit as u8 {
            swallow.store(1, Ordering::SeqCst);
        }
        if server.write_all(&buffer[..len]).is_err() {
            break;
        }
        if now == Cut::AfterCommit as u8 {
            let _ = back.join();
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// Whether this is, or ends with, the statement, or the server's answer to it. Both say the word.
fn holds_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|bytes| bytes == b"COMMIT\0")
}
