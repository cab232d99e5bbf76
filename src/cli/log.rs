//! The log on standard error, which holds nobody up: whoever logs puts a line into a bounded queue, and
//! one thread writes. When nobody reads standard error, lines are dropped and counted, and the node
//! goes on.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait to be written; what is more is dropped.
const MAX_WAITING: usize = 1024 * 1024;

/// How long a process that ends waits until its last lines are written.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The way to standard error. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was added.
    added: Condvar,
    /// Everything was written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// How many bytes wait.
    waiting: usize,
    /// How many lines were dropped since that was last said.
    dropped: u64,
    /// Whether a line is being written.
    busy: bool,
}

impl Log {
    /// Starts to write to `out` what is logged.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let log = Self::default();
        let shared = Arc::clone(&log.0);
        // chance: of a real process; no simulation has this log
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_to(out))?;
        Ok(log)
    }

    /// Adds a line, or counts it as dropped. Never waits for the reader.
    pub(super) fn add(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting + line.len() > MAX_WAITING {
            state.dropped += 1;
            return;
        }
        state.waiting += line.len();
        state.lines.push_back(line.to_vec());
        self.0.added.notify_one();
    }

    /// Waits a moment until all is written: for a process that ends.
    pub(super) fn flush(&self) {
        let pending = |state: &mut State| state.busy || !state.lines.is_empty();
        let waited = self.0.written.wait_timeout_while(self.0.lock(), FLUSH_LIMIT, pending);
        drop(waited);
    }
}

impl Shared {
    fn write_to(&self, mut out: impl Write) {
        loop {
            let (line, dropped) = self.take();
            // Whoever closed standard error wants no log.
            let _ = out.write_all(&line);
            if dropped > 0 {
                let _ = writeln!(
                    out,
                    " WARN {dropped} lines of the log were dropped here: standard error was read too \
                     slowly, or not at all",
                );
            }
            let _ = out.flush();
            self.lock().busy = false;
        }
    }

    /// The next line, and how many were dropped behind it. Only the last line before a gap tells
    /// of it.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.waiting -= line.len();
                state.busy = true;
                let is_last = state.lines.is_empty();
                let dropped = if is_last { std::mem::take(&mut state.dropped) } else { 0 };
                return (line, dropped);
            }
            self.written.notify_all();
            state = self.added.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves whole lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, text: Vec::new() }
    }
}

/// One line as it is put together.
pub(super) struct Line<'a> {
    log: &'a Log,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.log.add(&self.text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Takes nothing until it is told to, and then everything.
    struct Reader {
        opens: Option<Receiver<()>>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(opens) = self.opens.take() {
                opens.recv().unwrap();
            }
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let (open, opens) = channel();
        let read = Arc::new(Mutex::new(Vec::new()));
        let reader = Reader { opens: Some(opens), read: Arc::clone(&read) };
        let log = Log::start(reader).unwrap();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        let all = 4 * MAX_WAITING / line.len();
        for _ in 0..all {
            log.make_writer().write_all(&line).unwrap();
        }
        open.send(()).unwrap();
        log.flush();
        let read = String::from_utf8(read.lock().unwrap().clone()).unwrap();
        let kept = read.lines().filter(|line| line.starts_with('x')).count();
        assert!((1024..=1026).contains(&kept), "as many as fit, and the one under way: {kept}");
        let told = format!("{} lines of the log were dropped", all - kept);
        assert!(read.lines().last().unwrap().contains(&told), "{told}");
    }
}
