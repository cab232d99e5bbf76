//! A headless Chromium that is told what to do over a pipe, in the words of its DevTools protocol: messages
//! of JSON, each with a zero byte behind it. No port, no library, and real keys and clicks.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// Where to look if the environment does not say.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Says which browser to use.
const VARIABLE: &str = "FENCEPOST_CHROMIUM";

/// The browser; none if there is none on this machine and nobody named one.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// A running browser with one page, and a folder that goes when it goes.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The page that is spoken to, by its two names.
    target: Value,
    session: Option<String>,
    last: u64,
    /// How many pages have loaded.
    loads: u64,
    folder: PathBuf,
    /// What pages wrote to the console as errors, and what their scripts threw.
    pub errors: Vec<String>,
}

impl Browser {
    /// Starts one. None, with a word about it, if there is none.
    pub fn start(name: &str) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("skipped: no Chromium; install one (Debian: chromium) or set {VARIABLE}");
            return None;
        };
        let folder =
            std::env::temp_dir().join(format!("fencepost-browser-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder for temporary files takes one");
        // The browser reads from 3 and writes to 4; the shell puts our pipes there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(&program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--remote-debugging-pipe", "--no-first-run", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let errors = Vec::new();
        let mut browser = Self {
            child,
            input,
            output,
            target: Value::Null,
            session: None,
            last: 0,
            loads: 0,
            folder,
            errors,
        };
        browser.open_page();
        Some(browser)
    }

    fn open_page(&mut self) {
        self.session = None;
        let created = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        self.target = created["targetId"].clone();
        let attach = json!({ "targetId": self.target, "flatten": true });
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.screen(1280, 900);
    }

    /// A file of this browser's folder with that text; returns its address.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("the folder takes a file");
        format!("file://{}", path.display())
    }

    /// The size of the screen, in pixels.
    pub fn screen(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether the reader likes it dark.
    pub fn dark(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Shows the page as it is printed, for a reader who likes it dark.
    pub fn print(&mut self) {
        let features = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": "print", "features": features }));
        self.drawn();
    }

    /// Opens an address and waits until all of it is there, and was drawn.
    pub fn open(&mut self, address: &str) {
        // From an empty page, so that an address that differs in its end alone is opened anew.
        for address in ["about:blank", address] {
            let loads = self.loads;
            self.send("Page.navigate", json!({ "url": address }));
            self.loaded(loads);
        }
    }

    /// Waits for another page than those, and until it was drawn.
    fn loaded(&mut self, loads: u64) {
        while self.loads == loads {
            self.receive();
        }
        self.drawn();
    }

    /// Waits for the next two frames.
    pub fn drawn(&mut self) {
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// What an expression comes to.
    pub fn run(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", ask);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    /// What an expression comes to, as text.
    pub fn text(&mut self, expression: &str) -> String {
        match self.run(expression) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Presses a key, as the keyboard would; `shift` with it.
    pub fn press(&mut self, key: &str, shift: bool) {
        let letter = key.chars().count() == 1;
        let mut event = json!({ "key": key, "code": key, "modifiers": if shift { 8 } else { 0 } });
        if letter {
            event["text"] = key.into();
        } else if key == "Tab" {
            event["windowsVirtualKeyCode"] = 9.into();
        }
        for kind in [if letter { "keyDown" } else { "rawKeyDown" }, "keyUp"] {
            event["type"] = kind.into();
            self.call("Input.dispatchKeyEvent", event.clone());
        }
        self.drawn();
    }

    /// Clicks into the middle of the element, which stays on this page.
    pub fn click(&mut self, selector: &str) {
        self.hit(selector);
        self.drawn();
    }

    /// Follows a link to another page. Until that is there, nothing can be asked of either.
    pub fn follow(&mut self, selector: &str) {
        let loads = self.loads;
        self.hit(selector);
        self.loaded(loads);
    }

    fn hit(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const element = document.querySelector({selector:?}); \
             element.scrollIntoView({{ block: 'center' }}); const box = element.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let at = self.run(&middle);
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({
                "type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", click);
        }
    }

    /// Moves the pointer there, over the page; or turns its wheel by so much.
    pub fn point(&mut self, at: &Value, wheel: i32) {
        let kind = if wheel == 0 { "mouseMoved" } else { "mouseWheel" };
        let event = json!({ "type": kind, "x": at[0], "y": at[1], "deltaX": 0, "deltaY": wheel });
        self.call("Input.dispatchMouseEvent", event);
        self.drawn();
    }

    /// A picture of the screen, as the browser's own base64 of a PNG.
    pub fn picture(&mut self) -> String {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        picture["data"].as_str().expect("a picture is text").to_owned()
    }

    /// How many colours a picture has, and how many of its pixels have the colour (`#rrggbb`).
    pub fn colours(&mut self, picture: &str, colour: &str) -> (u64, u64) {
        // In a page of its own, which lets a script read pixels; a page behind another draws nothing.
        let (session, target) = (self.session.take(), self.target.clone());
        self.open_page();
        let count = format!(
            "(async () => {{ const image = new Image(); image.src = 'data:image/png;base64,{picture}'; \
             await image.decode(); const canvas = document.createElement('canvas'); \
             canvas.width = image.width; canvas.height = image.height; \
             const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0); \
             const {{ data }} = pen.getImageData(0, 0, image.width, image.height); \
             const wanted = parseInt({colour:?}.slice(1), 16); const all = new Set(); let found = 0; \
             for (let i = 0; i < data.length; i += 4) {{ \
             const one = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2]; \
             all.add(one); found += one === wanted; }} return [all.size, found]; }})()"
        );
        let counted = self.run(&count);
        self.session = None;
        self.call("Target.closeTarget", json!({ "targetId": self.target }));
        self.call("Target.activateTarget", json!({ "targetId": target }));
        (self.session, self.target) = (session, target);
        (counted[0].as_u64().unwrap_or(0), counted[1].as_u64().unwrap_or(0))
    }

    /// Calls a method and waits for its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, parameters);
        loop {
            let message = self.receive();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        let bytes = format!("{message}\0");
        self.input.write_all(bytes.as_bytes()).expect("the browser listens");
        self.last
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.output.read_until(0, &mut bytes).expect("the browser speaks");
        assert_eq!(bytes.pop(), Some(0), "the browser went away: does it start by itself?");
        let message: Value = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loads += 1,
            Some("Runtime.exceptionThrown") => {
                self.errors.push(parameters["exceptionDetails"].to_string());
            }
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => {
                self.errors.push(parameters["args"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.errors.push(parameters["entry"].to_string());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is killed leaves processes that write into the folder for a moment longer.
        let close = json!({ "id": self.last + 1, "method": "Browser.close" });
        if self.input.write_all(format!("{close}\0").as_bytes()).is_err() {
            let _ = self.child.kill();
        }
        let _ = std::io::copy(&mut self.output, &mut std::io::sink());
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
