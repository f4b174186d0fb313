//! Chromium, driven by its own WebDriver (W3C WebDriver, Processing model).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::http;

/// A browser without a window; it ends with the value.
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
}

impl Browser {
    /// Starts one with a window of this size, or says why there is none on this machine.
    pub fn start(width: u32, height: u32) -> Result<Self, String> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("chromedriver cannot be started: {error}"))?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver says its port");
        // It goes on writing; nobody reading would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self { driver, address: format!("127.0.0.1:{port}"), session: String::new() };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                format!("--window-size={width},{height}")],
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        Ok(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let head = [("Host", self.address.as_str()), ("Content-Type", "application/json")];
        http::send(&self.address, method, path, &head, &body).json()["value"].take()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("{}{path}", self.session), body)
    }

    /// Opens a file.
    pub fn open(&self, file: &Path) {
        self.ask("POST", "/url", &json!({"url": format!("file://{}", file.display())}));
    }

    /// What a function body of JavaScript returns on the page.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Types keys where the focus is, as a person does.
    pub fn keys(&self, keys: &str) {
        let pressed = keys
            .chars()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]);
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": pressed.collect::<Vec<_>>()}]});
        self.ask("POST", "/actions", &actions);
    }

    /// Clicks what a CSS selector finds.
    pub fn click(&self, selector: &str) {
        self.ask("POST", &format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// What a screen reader calls it: its role and its name.
    pub fn spoken(&self, selector: &str) -> (String, String) {
        let element = self.element(selector);
        let of = |what: &str| self.ask("GET", &format!("/element/{element}/computed{what}"), &Value::Null);
        (of("role").as_str().unwrap().to_owned(), of("label").as_str().unwrap().to_owned())
    }

    fn element(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        // The one key of a reference to an element is fixed by the specification.
        found["element-6066-11e4-a52e-4f735466cecf"].as_str().unwrap().to_owned()
    }

    /// What the browser complains of: errors of scripts, and whatever the page's policy refused.
    pub fn complaints(&self) -> Value {
        self.ask("POST", "/se/log", &json!({"type": "browser"}))
    }

    /// Keeps a picture of the window as `NAME.png` in the folder that `KOMPOX_SCREENSHOTS` names, if it names one.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("KOMPOX_SCREENSHOTS") else { return };
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
